import { type Dice, mutated } from './_fuzz.ts';
import { badChunks, badLength, badLine, framedBody, twoFramings } from './_fuzz-http-framings.ts';
import { EVIL, type HttpCase, HttpRequests, JSON_ROUTES, ODD_ROUTES, sized } from './_fuzz-http-requests.ts';
import { hostLines, requestLines } from './_fuzz-lines.ts';

/** Draws what a client sends to a face that is called `host`. */
export class HttpCases extends HttpRequests {
  /** The case of this number. */
  draw(dice: Dice, index: number): HttpCase {
    this.bad = `${EVIL}-${index}`;
    const before = dice.chance(0.2) ? this.token() : undefined;
    const first = before === undefined ? '' : this.ordinary(dice, before);
    const shape = dice.one([
      twoFramings,
      twoFramings,
      badLength,
      badChunks,
      badLine,
      framedBody,
      framedBody,
      pipelined,
      targets,
      hosts,
      hopByHop,
      bytesOff,
      noise,
    ]);
    const made = shape(this, dice);
    return { ...made, bytes: first + made.bytes, meant: before ? [before, ...made.meant] : made.meant };
  }
}

/** Several requests in one piece: each gets its own answer. */
function pipelined(http: HttpRequests, dice: Dice): HttpCase {
  const tokens = Array.from({ length: 2 + dice.below(6) }, () => http.token());
  const all = tokens.map((token, i) => http.ordinary(dice, token, i === tokens.length - 1));
  return { shape: 'pipelined', bytes: all.join(''), meant: tokens, ending: 'all' };
}

/** Request lines. */
function targets(http: HttpRequests, dice: Dice): HttpCase {
  const token = http.token();
  const line = dice.one(requestLines(http.host));
  const head = http.head('', token).replace(' HTTP/1.1\r\n', '');
  return {
    shape: `line ${JSON.stringify(line.slice(0, 60))}`,
    bytes: `${line}\r\n${head}Connection: close\r\n${sized(http.evil(dice))}`,
    meant: [token],
    ending: 'ends',
  };
}

/** More than one Host has two readings; a foreign one is not let in. */
function hosts(http: HttpRequests, dice: Dice): HttpCase {
  const host = dice.one(hostLines(http.host));
  const route = dice.one([...JSON_ROUTES, ...ODD_ROUTES]);
  return {
    shape: JSON.stringify(host),
    bytes: `${route} HTTP/1.1\r\n${host}\r\nX-Token: ${http.bad}\r\nConnection: close\r\n${sized(http.evil(dice))}`,
    meant: [],
    ending: 'ends',
  };
}

/** Headers that are of the connection, or would be of ours. */
function hopByHop(http: HttpRequests, dice: Dice): HttpCase {
  const token = http.token();
  const lines = Array.from({ length: 1 + dice.below(5) }, () =>
    dice.one([
      'Connection: host, via, x-nothing',
      'Connection: content-type',
      'Keep-Alive: timeout=1',
      'Proxy-Connection: keep-alive',
      'Upgrade: h2c',
      'TE: trailers, deflate',
      'Trailer: Content-Length',
      '__proto__: a',
      'constructor: b',
      'toString: c',
      `Via: 1.1 ${'x'.repeat(dice.below(300))}`,
      'X-Ollana-Grant: 00000000-0000-0000-0000-000000000000',
      'X-Ollana-If-Free: 1',
      'X-Ollana-Device: \xff\xfe',
      'X-Ollana-Server: nobody',
      'Content-Encoding: zstd',
      'Content-Encoding: gzip, br',
      'Content-Type: multipart/form-data; boundary=',
      'Expect: something-else',
      `X-${'y'.repeat(dice.below(2000))}: z`,
    ]),
  );
  const bytes = `${http.head(dice.one([...JSON_ROUTES, ...ODD_ROUTES]), token)}${lines.join('\r\n')}\r\nConnection: close\r\n${sized(http.body(dice))}`;
  return { shape: lines.join(' | '), bytes, meant: [token], ending: 'ends' };
}

/** An ordinary request with some bytes changed; its token may be changed, too, or come twice. */
function bytesOff(http: HttpRequests, dice: Dice): HttpCase {
  const token = `changed-${http.token()}`;
  const bytes = mutated(
    Buffer.from(http.ordinary(dice, token), 'latin1'),
    dice,
    ':;, \t\r\n\0\x7f\xff0123456789',
  );
  return { shape: 'bytes changed', bytes: bytes.toString('latin1'), meant: [token], ending: 'open' };
}

/** What is no request at all. */
function noise(_http: HttpRequests, dice: Dice): HttpCase {
  const noise = String.fromCharCode(...Array.from({ length: 1 + dice.below(200) }, () => dice.below(256)));
  const start = dice.one([
    '',
    '\x16\x03\x01',
    'GET ',
    'POST / HTTP/1.1\r\n',
    '\x16\x03\x01\x02\x00\x01',
    'PRI * ',
  ]);
  return { shape: 'noise', bytes: start + noise, meant: [], ending: 'open' };
}

import { type Dice, mutated } from './_fuzz.ts';
import { badLines, chunkSizes, codings, hostLines, lengths, requestLines } from './_fuzz-lines.ts';

/** What a client does on one connection. */
export interface HttpCase {
  /** Names the shape. */
  readonly shape: string;
  /** What it sends, latin1. */
  readonly bytes: string;
  /** Tokens of the requests in it, in their order: each may reach a server once, and be answered. */
  readonly meant: readonly string[];
  /**
   * `all`: every request in it is whole and in order. `refused`: what it says has two readings, and none may be taken:
   * the connection ends. `ends`: whole, and answered or refused. `open`: it may lack something, and ends with its
   * sender.
   */
  readonly ending: 'all' | 'refused' | 'ends' | 'open';
}

/** How the tokens begin of all that nobody may take for a request: bodies, and what stands behind ambiguous ones. */
export const EVIL = 'evil';

/** What requests are for, and with which bodies; JSON where a model must be found in them. */
const JSON_ROUTES = [
  'POST /api/generate',
  'POST /api/chat',
  'POST /api/show',
  'POST /api/embed',
  'POST /v1/chat/completions',
  'POST /v1/messages',
];
/** Which framing Node, or what is built on it, leaves out by itself. */
const ODD_ROUTES = [
  'GET /v1/models/m',
  'GET /api/nothing',
  'DELETE /api/nothing',
  'OPTIONS /api/generate',
  'PUT /api/generate',
  'PATCH /api/chat',
  'GET /api/generate',
  'HEAD /api/show',
];
/** Those that are passed on unread; peers may not have them. */
const UPLOADS = [`POST /api/blobs/sha256:${'0'.repeat(64)}`, `HEAD /api/blobs/sha256:${'0'.repeat(64)}`];

/** Draws what a client sends to a face that is called `host`. */
export class HttpCases {
  readonly #host: string;
  #count = 0;
  /** The token of what this case smuggles. */
  #bad = EVIL;

  constructor(host: string) {
    this.#host = host;
  }

  /** A token that no other request has. */
  token(): string {
    this.#count += 1;
    return `t${this.#count}`;
  }

  /** An ordinary request. */
  ordinary(dice: Dice, token: string, last = false): string {
    const body = this.#body(dice);
    const close = last ? 'Connection: close\r\n' : '';
    if (dice.chance(0.5)) return `${this.#head(dice.one(JSON_ROUTES), token)}${close}${sized(body)}`;
    return `${this.#head(dice.one(JSON_ROUTES), token)}${close}Transfer-Encoding: chunked\r\n\r\n${chunked(body, dice)}`;
  }

  draw(dice: Dice, index: number): HttpCase {
    this.#bad = `${EVIL}-${index}`;
    const before = dice.chance(0.2) ? this.token() : undefined;
    const first = before === undefined ? '' : this.ordinary(dice, before);
    const made = dice
      .one([
        this.#twoFramings,
        this.#twoFramings,
        this.#badLength,
        this.#badChunks,
        this.#badLines,
        this.#framedBody,
        this.#framedBody,
        this.#pipelined,
        this.#targets,
        this.#hosts,
        this.#hopByHop,
        this.#bytesOff,
        this.#noise,
      ])
      .call(this, dice);
    return { ...made, bytes: first + made.bytes, meant: before ? [before, ...made.meant] : made.meant };
  }

  /** Both framings, in every spelling: one of them is a lie. */
  #twoFramings(dice: Dice): HttpCase {
    const coding = dice.one(codings());
    const inner = this.#evil(dice);
    const chunks = `0\r\n\r\n${inner}`;
    const length = dice.one([chunks.length, 0, 4, chunks.length + 3, 5]);
    const framings = [coding, `Content-Length: ${length}`];
    if (dice.chance(0.5)) framings.reverse();
    const route = dice.one([...JSON_ROUTES, ...ODD_ROUTES]);
    return {
      shape: `two framings (${framings.join(' / ')})`,
      bytes: `${this.#head(route, this.#bad)}${framings.join('\r\n')}\r\n\r\n${chunks}`,
      meant: [],
      ending: 'refused',
    };
  }

  /** Lengths that are none, or are many. */
  #badLength(dice: Dice): HttpCase {
    const body = this.#evil(dice);
    const n = body.length;
    const length = dice.one(lengths(n));
    const bytes = `${this.#head(dice.one([...JSON_ROUTES, ...ODD_ROUTES]), this.#bad)}Content-Length: ${length}\r\n\r\n${body}`;
    return { shape: `length ${length}`, bytes, meant: [], ending: 'refused' };
  }

  /** Chunks that say two things. */
  #badChunks(dice: Dice): HttpCase {
    const inner = this.#evil(dice);
    const size = inner.length.toString(16);
    const bad = dice.one(chunkSizes(size));
    const ended = dice.one(['\r\n', '\n', 'XX', '']);
    const wrong = dice.chance(0.7) ? `${bad}\r\n${inner}\r\n` : `${size}\r\n${inner}${ended || 'Z'}`;
    const isWhole = wrong === `${size}\r\n${inner}\r\n`;
    const token = isWhole ? this.token() : this.#bad;
    const head = `${this.#head(dice.one([...JSON_ROUTES, ...ODD_ROUTES]), token)}Transfer-Encoding: chunked\r\n\r\n`;
    return {
      shape: `chunk ${JSON.stringify(wrong.slice(0, 30))}`,
      bytes: `${head}${wrong}0\r\n\r\n${isWhole ? '' : inner}`,
      meant: isWhole ? [token] : [],
      ending: isWhole ? 'open' : 'refused',
    };
  }

  /** Line ends, names and values that no header has. */
  #badLines(dice: Dice): HttpCase {
    const line = dice.one(badLines(this.#bad));
    const bytes = `${this.#head('POST /api/generate', this.#bad)}${line}\r\n${sized(this.#evil(dice))}`;
    return { shape: `line ${JSON.stringify(line)}`, bytes, meant: [], ending: 'refused' };
  }

  /** A request that is whole, of any method, whose body is a request: it must stay a body. */
  #framedBody(dice: Dice): HttpCase {
    const token = this.token();
    const route = dice.one([...JSON_ROUTES, ...ODD_ROUTES, ...UPLOADS]);
    const body = this.#evil(dice) + (dice.chance(0.1) ? '.'.repeat(dice.below(100_000)) : '');
    const more = dice.one([
      '',
      '',
      'Connection: content-length\r\n',
      'Connection: transfer-encoding, x-token-not\r\n',
      'Connection: keep-alive, upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
      'Connection: upgrade\r\nUpgrade: websocket\r\n',
      'Expect: 100-continue\r\n',
      'TE: trailers\r\nTrailer: X-Token\r\n',
      'X-Folded: a\r\n b\r\n',
      'Content-Encoding: gzip\r\n',
    ]);
    const trailers = dice.one([
      '',
      '',
      `X-Token: ${this.#bad}\r\n`,
      'Content-Length: 3\r\n',
      'Host: evil\r\nTransfer-Encoding: chunked\r\n',
    ]);
    const framed = dice.chance(0.5)
      ? sized(body)
      : `Transfer-Encoding: chunked\r\n\r\n${chunked(body, dice).slice(0, -2)}${trailers}\r\n`;
    const end = this.token();
    const bytes = `${this.#head(route, token)}${more}${framed}${this.ordinary(dice, end, true)}`;
    // Node reads on past what is wrong with a body whose sender offers another protocol, and finds no end of it.
    const isEndless =
      more.includes('upgrade') && /Host|Length/.test(trailers) && !framed.startsWith('Content');
    const ending = isEndless ? 'open' : 'ends';
    return {
      shape: `a request in the body of ${route} (${more.trim()})`,
      bytes,
      meant: [token, end],
      ending,
    };
  }

  /** Several requests in one piece: each gets its own answer. */
  #pipelined(dice: Dice): HttpCase {
    const tokens = Array.from({ length: 2 + dice.below(6) }, () => this.token());
    const all = tokens.map((token, i) => this.ordinary(dice, token, i === tokens.length - 1));
    return { shape: 'pipelined', bytes: all.join(''), meant: tokens, ending: 'all' };
  }

  /** Request lines. */
  #targets(dice: Dice): HttpCase {
    const token = this.token();
    const line = dice.one(requestLines(this.#host));
    const head = this.#head('', token).replace(' HTTP/1.1\r\n', '');
    return {
      shape: `line ${JSON.stringify(line.slice(0, 60))}`,
      bytes: `${line}\r\n${head}Connection: close\r\n${sized(this.#evil(dice))}`,
      meant: [token],
      ending: 'ends',
    };
  }

  /** More than one Host has two readings; a foreign one is not let in. */
  #hosts(dice: Dice): HttpCase {
    const host = dice.one(hostLines(this.#host));
    const route = dice.one([...JSON_ROUTES, ...ODD_ROUTES]);
    return {
      shape: JSON.stringify(host),
      bytes: `${route} HTTP/1.1\r\n${host}\r\nX-Token: ${this.#bad}\r\nConnection: close\r\n${sized(this.#evil(dice))}`,
      meant: [],
      ending: 'ends',
    };
  }

  /** Headers that are of the connection, or would be of ours. */
  #hopByHop(dice: Dice): HttpCase {
    const token = this.token();
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
    const bytes = `${this.#head(dice.one([...JSON_ROUTES, ...ODD_ROUTES]), token)}${lines.join('\r\n')}\r\nConnection: close\r\n${sized(this.#body(dice))}`;
    return { shape: lines.join(' | '), bytes, meant: [token], ending: 'ends' };
  }

  /** An ordinary request with some bytes changed; its token may be changed, too, or come twice. */
  #bytesOff(dice: Dice): HttpCase {
    const token = `changed-${this.token()}`;
    const bytes = mutated(
      Buffer.from(this.ordinary(dice, token), 'latin1'),
      dice,
      ':;, \t\r\n\0\x7f\xff0123456789',
    );
    return { shape: 'bytes changed', bytes: bytes.toString('latin1'), meant: [token], ending: 'open' };
  }

  #noise(dice: Dice): HttpCase {
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

  #head(route: string, token: string): string {
    return `${route} HTTP/1.1\r\nHost: ${this.#host}\r\nContent-Type: application/json\r\nX-Token: ${token}\r\n`;
  }

  #body(dice: Dice): string {
    return JSON.stringify({ model: 'm', prompt: 'x'.repeat(dice.below(50)), stream: false });
  }

  /** A request that must never be one. */
  #evil(dice: Dice): string {
    const route = dice.one(['GET /evil', 'POST /api/delete', 'DELETE /api/delete']);
    return `${route} HTTP/1.1\r\nHost: ${this.#host}\r\nX-Token: ${this.#bad}\r\nContent-Length: 0\r\n\r\n`;
  }
}

function sized(body: string): string {
  return `Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** A body in chunks of its own sizes, some with an extension. */
function chunked(body: string, dice: Dice): string {
  let text = '';
  for (let at = 0; at < body.length; ) {
    const size = Math.min(body.length - at, 1 + dice.below(body.length));
    text += `${dice.chance(0.2) ? '000' : ''}${size.toString(16)}${dice.one(['', '', ';a=b', ';x'])}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  return `${text}0\r\n\r\n`;
}

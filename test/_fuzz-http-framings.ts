import type { Dice } from './_fuzz.ts';
import {
  chunked,
  type HttpCase,
  type HttpRequests,
  JSON_ROUTES,
  ODD_ROUTES,
  sized,
  UPLOADS,
} from './_fuzz-http-requests.ts';
import { badLines, chunkSizes, codings, lengths } from './_fuzz-lines.ts';

/** Both framings, in every spelling: one of them is a lie. */
export function twoFramings(http: HttpRequests, dice: Dice): HttpCase {
  const coding = dice.one(codings());
  const inner = http.evil(dice);
  const chunks = `0\r\n\r\n${inner}`;
  const length = dice.one([chunks.length, 0, 4, chunks.length + 3, 5]);
  const framings = [coding, `Content-Length: ${length}`];
  if (dice.chance(0.5)) framings.reverse();
  const route = dice.one([...JSON_ROUTES, ...ODD_ROUTES]);
  return {
    shape: `two framings (${framings.join(' / ')})`,
    bytes: `${http.head(route, http.bad)}${framings.join('\r\n')}\r\n\r\n${chunks}`,
    meant: [],
    ending: 'refused',
  };
}

/** Lengths that are none, or are many. */
export function badLength(http: HttpRequests, dice: Dice): HttpCase {
  const body = http.evil(dice);
  const n = body.length;
  const length = dice.one(lengths(n));
  const bytes = `${http.head(dice.one([...JSON_ROUTES, ...ODD_ROUTES]), http.bad)}Content-Length: ${length}\r\n\r\n${body}`;
  return { shape: `length ${length}`, bytes, meant: [], ending: 'refused' };
}

/** Chunks that say two things. */
export function badChunks(http: HttpRequests, dice: Dice): HttpCase {
  const inner = http.evil(dice);
  const size = inner.length.toString(16);
  const bad = dice.one(chunkSizes(size));
  const ended = dice.one(['\r\n', '\n', 'XX', '']);
  const wrong = dice.chance(0.7) ? `${bad}\r\n${inner}\r\n` : `${size}\r\n${inner}${ended || 'Z'}`;
  const isWhole = wrong === `${size}\r\n${inner}\r\n`;
  const token = isWhole ? http.token() : http.bad;
  const head = `${http.head(dice.one([...JSON_ROUTES, ...ODD_ROUTES]), token)}Transfer-Encoding: chunked\r\n\r\n`;
  return {
    shape: `chunk ${JSON.stringify(wrong.slice(0, 30))}`,
    bytes: `${head}${wrong}0\r\n\r\n${isWhole ? '' : inner}`,
    meant: isWhole ? [token] : [],
    ending: isWhole ? 'open' : 'refused',
  };
}

/** Line ends, names and values that no header has. */
export function badLine(http: HttpRequests, dice: Dice): HttpCase {
  const line = dice.one(badLines(http.bad));
  const bytes = `${http.head('POST /api/generate', http.bad)}${line}\r\n${sized(http.evil(dice))}`;
  return { shape: `line ${JSON.stringify(line)}`, bytes, meant: [], ending: 'refused' };
}

/** A request that is whole, of any method, whose body is a request: it must stay a body. */
export function framedBody(http: HttpRequests, dice: Dice): HttpCase {
  const token = http.token();
  const route = dice.one([...JSON_ROUTES, ...ODD_ROUTES, ...UPLOADS]);
  const body = http.evil(dice) + (dice.chance(0.1) ? '.'.repeat(dice.below(100_000)) : '');
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
    `X-Token: ${http.bad}\r\n`,
    'Content-Length: 3\r\n',
    'Host: evil\r\nTransfer-Encoding: chunked\r\n',
  ]);
  const framed = dice.chance(0.5)
    ? sized(body)
    : `Transfer-Encoding: chunked\r\n\r\n${chunked(body, dice).slice(0, -2)}${trailers}\r\n`;
  const end = http.token();
  const bytes = `${http.head(route, token)}${more}${framed}${http.ordinary(dice, end, true)}`;
  // Node reads on past what is wrong with a body whose sender offers another protocol, and finds no end of it.
  const isEndless = more.includes('upgrade') && /Host|Length/.test(trailers) && !framed.startsWith('Content');
  const ending = isEndless ? 'open' : 'ends';
  return {
    shape: `a request in the body of ${route} (${more.trim()})`,
    bytes,
    meant: [token, end],
    ending,
  };
}

import { type Dice, mutated } from './_fuzz.ts';

/** What a server sends instead of, or as, an answer. */
export interface AnswerCase {
  readonly shape: string;
  /** What is asked for. */
  readonly target: string;
  /** Pieces that are sent one after the other, latin1. */
  readonly pieces: readonly string[];
  /** The server keeps the connection open after the last of them, ends it, or resets it. */
  readonly ending: 'open' | 'end' | 'reset';
  /** The body that a whole answer has, latin1; undefined where there is no telling. */
  readonly body: string | undefined;
  /**
   * `whole`: the client gets the body and a clean end. `cut`: whatever it gets, not a clean end of a 200. `any`: one
   * that ends.
   */
  readonly truth: 'whole' | 'cut' | 'any';
}

interface Kind {
  readonly target: string;
  readonly type: string;
  readonly body: string;
}

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

/** One short stream of each protocol, and one answer that is no stream. */
export const KINDS: readonly Kind[] = [
  {
    target: '/api/chat',
    type: 'application/x-ndjson',
    body:
      ['Hel', 'lo', '!'].map((content) => line({ message: { content }, done: false })).join('') +
      line({ done: true, done_reason: 'stop', eval_count: 3 }),
  },
  {
    target: '/v1/chat/completions',
    type: 'text/event-stream',
    body: `${['Hel', 'lo'].map((content) => event({ choices: [{ delta: { content } }] })).join('')}data: [DONE]\n\n`,
  },
  {
    target: '/v1/messages',
    type: 'text/event-stream; charset=utf-8',
    body:
      `event: content_block_delta\n${event({ type: 'content_block_delta', delta: { text: 'Hi' } })}` +
      `event: message_stop\n${event({ type: 'message_stop' })}`,
  },
  {
    target: '/v1/responses',
    type: 'text/event-stream',
    body:
      `event: response.output_text.delta\n${event({ delta: 'Hi' })}` +
      `event: response.completed\n${event({ type: 'response.completed', response: {} })}`,
  },
  {
    target: '/api/generate',
    type: 'application/json; charset=utf-8',
    body: '{"response":"Hello","done":true}',
  },
];

const head = (lines: readonly string[]): string => `HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n\r\n`;

function chunks(body: string, dice: Dice): string {
  let text = '';
  for (let at = 0; at < body.length; ) {
    const size = Math.min(body.length - at, 1 + dice.below(80));
    text += `${size.toString(16)}${dice.one(['', '', ';a="b"'])}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  return text;
}

/** The same bytes in one to four pieces. */
function torn(text: string, dice: Dice): readonly string[] {
  if (dice.chance(0.5)) return [text];
  const at = dice.below(text.length + 1);
  return [text.slice(0, at), ...torn(text.slice(at), dice)].filter((piece) => piece !== '');
}

/** Draws what a server answers. */
export function drawAnswer(dice: Dice): AnswerCase {
  const kind = dice.one(KINDS);
  return dice.one([
    whole,
    cutOff,
    cutOff,
    cutOff,
    falseLength,
    twoFramings,
    badChunks,
    badHead,
    badHead,
    hints,
    changed,
  ])(kind, dice);
}

function framed(kind: Kind, dice: Dice): string {
  const type = `Content-Type: ${kind.type}`;
  if (dice.chance(0.3)) return head([type, `Content-Length: ${kind.body.length}`]) + kind.body;
  const trailers = dice.one(['', '', 'X-Sum: 1\r\n', 'X-Ollana-Server: evil\r\n']);
  return `${head([type, 'Transfer-Encoding: chunked'])}${chunks(kind.body, dice)}0\r\n${trailers}\r\n`;
}

function whole(kind: Kind, dice: Dice): AnswerCase {
  const before = dice.one([
    '',
    '',
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
  ]);
  const pieces = torn(before + framed(kind, dice), dice);
  return {
    shape: 'whole',
    target: kind.target,
    pieces,
    ending: dice.one(['open', 'end']),
    body: kind.body,
    truth: 'whole',
  };
}

function cutOff(kind: Kind, dice: Dice): AnswerCase {
  const all = framed(kind, dice);
  const at = dice.below(all.length);
  const pieces = torn(all.slice(0, at), dice);
  return {
    shape: `cut off at ${at} of ${all.length}`,
    target: kind.target,
    pieces,
    ending: dice.one(['end', 'reset']),
    body: kind.body,
    truth: 'cut',
  };
}

/** Longer than it says, shorter, or none that can be. */
function falseLength(kind: Kind, dice: Dice): AnswerCase {
  const { body, target } = kind;
  const length = dice.one([
    `${body.length + 1 + dice.below(1000)}`,
    '99999999999999999999',
    '9007199254740993',
    `-${body.length}`,
    `${body.length}, ${body.length + 1}`,
    `+${body.length}`,
    `0x${body.length}`,
    `${body.length}\r\nContent-Length: ${body.length + 5}`,
    `${body.length}x`,
    `${body.length - 1 - dice.below(10)}`,
  ]);
  const isShort = /^\d+$/.test(length) && Number(length) < body.length;
  return {
    shape: `length ${length} of ${body.length}`,
    target,
    pieces: torn(head([`Content-Type: ${kind.type}`, `Content-Length: ${length}`]) + body, dice),
    ending: 'end',
    // A JSON answer that claims to be shorter is as short as it claims, for everybody.
    body: isShort ? body.slice(0, Number(length)) : body,
    truth: isShort ? 'any' : 'cut',
  };
}

function twoFramings(kind: Kind, dice: Dice): AnswerCase {
  const framings = [
    dice.one(['Transfer-Encoding: chunked', 'transfer-encoding: Chunked', 'Transfer-Encoding:\tchunked']),
    `Content-Length: ${dice.one([0, kind.body.length, 5])}`,
  ];
  if (dice.chance(0.5)) framings.reverse();
  const text = `${head([`Content-Type: ${kind.type}`, ...framings])}${chunks(kind.body, dice)}0\r\n\r\n`;
  return {
    shape: framings.join(' / '),
    target: kind.target,
    pieces: [text],
    ending: 'end',
    body: undefined,
    truth: 'cut',
  };
}

function badChunks(kind: Kind, dice: Dice): AnswerCase {
  const size = dice.one([
    '-5',
    '+5',
    '0x5',
    'g',
    'FFFFFFFFFFFFFFFFFF',
    '',
    ' ',
    '5;\x00',
    '5\n',
    `5;${'x'.repeat(40_000)}`,
    '7fffffffffffffff',
  ]);
  const some = chunks(kind.body.slice(0, 20), dice);
  const text = `${head([`Content-Type: ${kind.type}`, 'Transfer-Encoding: chunked'])}${some}${size}\r\n${kind.body.slice(20)}\r\n0\r\n\r\n`;
  return {
    shape: `chunk ${size.slice(0, 20)}`,
    target: kind.target,
    pieces: torn(text, dice),
    ending: 'end',
    body: undefined,
    truth: 'cut',
  };
}

/** Heads that are none, or that nobody could pass on. */
function badHead(kind: Kind, dice: Dice): AnswerCase {
  const rest = `Content-Type: ${kind.type}\r\nContent-Length: ${kind.body.length}\r\n\r\n${kind.body}`;
  const long = `X-A: ${'b'.repeat(1000)}\r\n`.repeat(100);
  const text = dice.one([
    `HTTP/1.1 200 O\x01K\r\n${rest}`,
    `HTTP/1.1 200 \x7f\r\n${rest}`,
    `HTTP/1.1 000 None\r\n${rest}`,
    `HTTP/1.1 099 None\r\n${rest}`,
    `HTTP/1.1 150 None\r\n\r\n`,
    `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n${kind.body}`,
    'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    `HTTP/1.1 2000 OK\r\n${rest}`,
    `HTTP/1.1 20 OK\r\n${rest}`,
    `HTTP/1.1 -20 OK\r\n${rest}`,
    `HTTP/2 200 OK\r\n${rest}`,
    `HTTP/9.9 200 OK\r\n${rest}`,
    `ICY 200 OK\r\n${rest}`,
    `\x16\x03\x01\x02\x00`,
    `SSH-2.0-OpenSSH_9.6\r\n`,
    `<html>${rest}`,
    `HTTP/1.1 200 OK\r\nX-A: b\r\n c\n\nHTTP/1.1 200 OK\r\n${rest}`,
    `HTTP/1.1 200 OK\r\nX-A: a\x00b\r\n${rest}`,
    `HTTP/1.1 200 OK\r\nX A: b\r\n${rest}`,
    `HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\n${rest}`,
    `HTTP/1.1 200 OK\r\nX-A: b\nX-B: c\r\n${rest}`,
    `HTTP/1.1 200 OK\r\n: b\r\n${rest}`,
    `HTTP/1.1 200 OK\r\n${long}${rest}`,
    `HTTP/1.1 200 OK\r\nX-A: ${'x'.repeat(100_000)}`,
    `HTTP/1.1 200 ${'x'.repeat(100_000)}`,
    `${'x'.repeat(100_000)}`,
    `HTTP/1.1 200 OK\r\nContent-Type: ${kind.type}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${long}\r\n`,
    `HTTP/1.1 200 OK\r\nContent-Type: ${kind.type}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nX: ${'x'.repeat(70_000)}`,
    `HTTP/1.1 200 OK\r\nContent-Type: ${kind.type}\r\nTransfer-Encoding: gzip\r\n\r\n`,
    '',
  ]);
  return {
    shape: `head ${JSON.stringify(text.slice(0, 60))}`,
    target: kind.target,
    pieces: text === '' ? [] : torn(text, dice),
    ending: dice.one(['end', 'reset']),
    body: undefined,
    truth: 'cut',
  };
}

/** Answers of status 1xx without end. */
function hints(kind: Kind, dice: Dice): AnswerCase {
  const one = dice.one([
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
    'HTTP/1.1 102 Processing\r\n\r\n',
  ]);
  const pieces = Array.from({ length: 10 }, () => one.repeat(20));
  return { shape: '1xx', target: kind.target, pieces, ending: 'open', body: kind.body, truth: 'cut' };
}

function changed(kind: Kind, dice: Dice): AnswerCase {
  const text = mutated(
    Buffer.from(framed(kind, dice), 'latin1'),
    dice,
    ':;, \t\r\n\0\x7f0123456789{}"',
  ).toString('latin1');
  return {
    shape: 'bytes changed',
    target: kind.target,
    pieces: torn(text, dice),
    ending: 'end',
    body: undefined,
    truth: 'any',
  };
}

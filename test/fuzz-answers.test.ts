import { Agent, request } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { errorEnd, type Framing, framingOf, judgeEnd, standingOf } from '../src/proxy/ends.ts';
import { startBefore } from './_cluster.ts';
import { type Listening, listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import {
  type Dice,
  fuzz,
  GUARD_MS,
  heapBytes,
  LIMIT_MS,
  mutated,
  OwnTime,
  openSockets,
  shown,
} from './_fuzz.ts';
import { type AnswerCase, drawAnswer, KINDS } from './_fuzz-answers.ts';
import { LIST_BOMBS } from './_fuzz-bombs.ts';

const SOCKET_CASES = 8000;
const END_CASES = 15_000;
/** On a busy machine. */
vi.setConfig({ testTimeout: 120_000 });
const AT_ONCE = 8;
const time = new OwnTime();
const ROW = { name: 'm:latest', model: 'm:latest', digest: '0'.repeat(64) };
const LISTS: Readonly<Record<string, unknown>> = {
  '/api/version': { version: '0.17.4' },
  '/api/tags': { models: [ROW] },
  '/api/ps': { models: [ROW] },
};

/** Reads requests as they come from us, and answers what it is told to. */
async function startLiar(): Promise<
  Listening & { answers: Map<string, AnswerCase>; lists: Map<string, Buffer>; asked: number }
> {
  const state = { answers: new Map<string, AnswerCase>(), lists: new Map<string, Buffer>(), asked: 0 };
  const server = createServer({ noDelay: true }, (socket) => {
    let bytes = '';
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.toString('latin1');
      const end = bytes.indexOf('\r\n\r\n');
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(bytes)?.[1] ?? 0);
      if (end < 0 || bytes.length < end + 4 + length) return;
      const [, target = ''] = /^\w+ (\S+)/.exec(bytes) ?? [];
      const token = /\r\nx-token: (\w+)/i.exec(bytes)?.[1] ?? '';
      bytes = '';
      const one = state.answers.get(token);
      const list = state.lists.get(target);
      if (one) {
        state.asked += 1;
        void play(socket, one);
      } else if (list) socket.write(list);
      else answer(socket, LISTS[target] ? 200 : 404, JSON.stringify(LISTS[target] ?? { error: 'no' }));
    });
  });
  return Object.assign(state, await listenOn(server));
}

function answer(socket: Socket, status: number, body: string): void {
  const type = 'Content-Type: application/json';
  socket.write(
    `HTTP/1.1 ${status} X\r\n${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

async function play(socket: Socket, { pieces, ending }: AnswerCase): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    await new Promise((resolve) => socket.write(piece, 'latin1', resolve));
    if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve));
  }
  if (ending === 'end') socket.end();
  if (ending === 'reset') socket.resetAndDestroy();
}

interface Got {
  readonly status: number;
  readonly text: string;
  /** It ended as a whole answer does. */
  readonly clean: boolean;
  readonly ms: number;
}

function ask(url: string, target: string, token: string, agent: Agent): Promise<Got> {
  const startedAt = time.now();
  return new Promise((resolve, reject) => {
    let [status, text] = [0, ''];
    const done = (clean: boolean) => {
      clearTimeout(limit);
      resolve({ status, text, clean, ms: time.now() - startedAt });
    };
    const headers = { 'Content-Type': 'application/json', 'X-Token': token };
    const sent = request(url + target, { method: 'POST', agent, headers }, (response) => {
      status = response.statusCode ?? 0;
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', () => {});
      response.on('close', () => done(response.complete));
    });
    const limit = setTimeout(() => {
      sent.destroy();
      reject(new Error(`no end; got ${status} ${shown(text)}`));
    }, GUARD_MS);
    sent.on('error', () => done(false));
    sent.end('{"model":"m","prompt":"x","messages":[],"stream":true}');
  });
}

function judge(one: AnswerCase, got: Got): void {
  const clean = got.clean && got.status === 200;
  const say = (what: string) =>
    new Error(
      `${one.shape} at ${one.target} (${one.ending}): ${what}; sent ${shown(one.pieces.join(''))}, got ${got.status} ${shown(got.text)}`,
    );
  if (got.ms > LIMIT_MS) throw say(`took ${got.ms} ms`);
  if (one.truth === 'whole' && !(clean && got.text === one.body)) throw say('a whole answer did not arrive');
  if (one.truth === 'cut' && clean) throw say('a cut answer came as a whole one');
  if (got.status !== 200 || one.body === undefined) return;
  // What came of the body is a part of it, perhaps with the words for what happened.
  let same = 0;
  while (same < got.text.length && got.text[same] === one.body[same]) same += 1;
  const rest = got.text.slice(same);
  if (rest !== '' && !/error/.test(rest) && one.truth !== 'any') throw say('other bytes than were sent');
}

test(`${SOCKET_CASES} answers of a hostile server: the client gets a truthful end of each`, async () => {
  await using liar = await startLiar();
  await using face = await startBefore([liar.url], { holdMs: 0 });
  // Not kept: one that the face has just ended may be taken once more.
  const agent = new Agent({ keepAlive: false, maxSockets: AT_ONCE });
  let count = 0;
  const whole = { ...drawWhole(), ending: 'open' as const };
  const one = async (made: AnswerCase) => {
    count += 1;
    const token = `t${count}`;
    liar.answers.set(token, made);
    try {
      judge(made, await ask(face.url, made.target, token, agent));
    } finally {
      liar.answers.delete(token);
    }
  };
  const run = (dice: Dice) => one(drawAnswer(dice));
  const forget = () => {
    face.log.lines.length = 0;
  };
  await fuzz({ name: 'answers, first', cases: 500, atOnce: AT_ONCE, run });
  forget();
  const [heap, sockets] = [heapBytes(), openSockets()];
  const before = liar.asked;
  await fuzz({
    name: 'answers of a hostile server',
    cases: SOCKET_CASES,
    atOnce: AT_ONCE,
    run,
    afterLot: async () => {
      await one(whole);
      forget();
    },
  });
  // Those that were not asked for have shown nothing.
  expect(liar.asked - before).toBeGreaterThan(SOCKET_CASES * 0.99);
  agent.destroy();
  await until(5000, 'connections to be gone', () => openSockets() <= sockets + AT_ONCE);
  expect(heapBytes() - heap).toBeLessThan(6_000_000);
});

/** The plainest answer that there is. */
function drawWhole(): AnswerCase {
  const [{ target, type, body }] = KINDS as [(typeof KINDS)[number]];
  const text = `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  return { shape: 'plain', target, pieces: [text], ending: 'open', body, truth: 'whole' };
}

test('a stream that closes early at any byte is never taken for a whole one', async () => {
  await using liar = await startLiar();
  await using face = await startBefore([liar.url], { holdMs: 0 });
  // Not kept: one that the face has just ended may be taken once more.
  const agent = new Agent({ keepAlive: false, maxSockets: AT_ONCE });
  const cases = KINDS.flatMap(({ target, type, body }) => {
    const text = `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    return Array.from({ length: text.length }, (_, at): AnswerCase => {
      const pieces = at === 0 ? [] : [text.slice(0, at)];
      return {
        shape: `cut at ${at}`,
        target,
        pieces,
        ending: at % 2 ? 'end' : 'reset',
        body,
        truth: 'cut',
      };
    });
  });
  await fuzz({
    name: 'early close at every byte',
    cases: cases.length,
    atOnce: AT_ONCE,
    run: async (_, index) => {
      const one = cases[index] as AnswerCase;
      liar.answers.set(`c${index}`, one);
      judge(one, await ask(face.url, one.target, `c${index}`, agent));
      liar.answers.delete(`c${index}`);
    },
  });
  agent.destroy();
});

describe('a list of a hostile server', () => {
  test.each(LIST_BOMBS)('$what: the lists of the others are there within 1 s', async ({ head, body }) => {
    await using liar = await startLiar();
    await using honest = await startLiar();
    await using face = await startBefore([liar.url, honest.url], { holdMs: 0 });
    const bytes = Buffer.concat([
      Buffer.from(
        `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${head}Content-Length: ${body.length}\r\n\r\n`,
      ),
      body,
    ]);
    for (const path of ['/api/tags', '/api/ps', '/api/version', '/v1/models']) liar.lists.set(path, bytes);
    for (const path of [
      '/api/tags',
      '/v1/models',
      '/api/ps',
      '/api/tags',
      '/api/version',
      '/nodes',
      '/status',
    ]) {
      const before = time.now();
      const response = await fetch(face.url + path);
      const text = await response.text();
      expect([path, response.status], text.slice(0, 300)).toEqual([path, 200]);
      expect(time.now() - before).toBeLessThan(LIMIT_MS);
      if (path === '/api/tags') expect(text).toContain('"m:latest"');
    }
  });
});

test(`${END_CASES} streams that were changed or cut are judged without harm`, async () => {
  const streams = KINDS.filter(({ type }) => framingOf(type) !== 'none');
  const protocolOf = (target: string) =>
    (({ '/api/chat': 'ollama', '/v1/messages': 'anthropic', '/v1/responses': 'responses' }) as const)[
      target as '/api/chat'
    ] ?? 'openai';
  await fuzz({
    name: 'ends of streams',
    cases: END_CASES,
    run: (dice) => {
      const { target, type, body } = dice.one(streams);
      const [framing, protocol]: [Framing, ReturnType<typeof protocolOf>] = [
        framingOf(type),
        protocolOf(target),
      ];
      expect(judgeEnd(framing, protocol, body)).toBe('complete');
      const cut = body.slice(0, dice.below(body.trimEnd().length));
      const told = cut + errorEnd(framing, protocol, 'it "broke"\n off', standingOf(framing, cut));
      const isMarked = /\[DONE\]|message_stop|response\.completed|"done":true/.test(cut);
      if (!isMarked && judgeEnd(framing, protocol, cut) !== 'missing')
        throw new Error(`whole: ${shown(cut)}`);
      if (judgeEnd(framing, protocol, told) !== 'told') throw new Error(`not told: ${shown(told)}`);
      judgeEnd(framing, protocol, mutated(Buffer.from(body), dice).toString());
      judgeEnd(
        dice.one(['ndjson', 'sse']),
        dice.one(['ollama', 'openai', 'anthropic', 'responses']),
        mutated(Buffer.from(body), dice).toString(),
      );
    },
  });
});

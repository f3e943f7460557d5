import { createServer } from 'node:net';
import { expect, test, vi } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { type FeedEnd, follow } from '../src/fleet/feed-reader.ts';
import { emptyKnowledge, learnEvent } from '../src/fleet/knowledge.ts';
import { listenOn } from './_cluster-upstream.ts';
import { until, within } from './_deadline.ts';
import {
  type Dice,
  fuzz,
  GUARD_MS,
  heapBytes,
  LIMIT_MS,
  mutated,
  OwnTime,
  oddText,
  openSockets,
  shown,
} from './_fuzz.ts';

/** On a busy machine. */
vi.setConfig({ testTimeout: 120_000 });
const time = new OwnTime();

const LOAD = {
  models: {
    'registry.ollama.ai/library/m:latest': {
      slots: 2,
      active: 1,
      queued: 0,
      backlogMs: 10,
      loaded: true,
      loading: false,
      loadMs: 100,
      evictsMs: 0,
      evicts: ['a', 'b'],
      decodeMsPerToken: 1,
      prefillMsPerToken: 0.1,
      outputTokens: 100,
      numCtx: 4096,
    },
  },
};
const ROWS = {
  models: [{ name: 'm:latest', model: 'm:latest', digest: '0'.repeat(64), details: { families: ['llama'] } }],
};
const EVENTS: readonly (readonly [string, unknown])[] = [
  ['load', LOAD],
  ['tags', ROWS],
  ['ps', ROWS],
  [
    'server',
    {
      deviceId: 'a'.repeat(64),
      name: 'gpu',
      ollama: 'up',
      allowsManage: true,
      freeMemoryBytes: 1,
      version: '0.1',
    },
  ],
];

/** Every number that is reachable from a value is one that sums can be made of. */
function finite(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0;
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(finite);
}

test('15000 events of a hostile server leave what is known of it in order', async () => {
  await fuzz({
    name: 'events',
    cases: 15_000,
    run: (dice) => {
      const knowledge = emptyKnowledge();
      for (const [name, value] of EVENTS) learnEvent(knowledge, name, value);
      const [name, value] = dice.one(EVENTS);
      const text = oddText(value, dice).toString();
      let parsed: unknown;
      try {
        parsed = JSON.parse(text);
      } catch {
        return;
      }
      learnEvent(
        knowledge,
        dice.chance(0.9) ? name : dice.one(['', '__proto__', 'constructor', 'bye']),
        parsed,
      );
      if (!finite(knowledge.load)) throw new Error(`numbers of ${shown(text)}`);
      const { tags = [], ps = [], version = '', told } = knowledge;
      if (!finite(told) || version.length > 40) throw new Error(`server of ${shown(text)}`);
      for (const row of [...tags, ...ps]) {
        if (typeof row.name !== 'string' || row.name === '') throw new Error(`rows of ${shown(text)}`);
        JSON.stringify(row.raw);
      }
    },
  });
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

/** A server that tells what `next` holds to whoever watches, and leaves. */
async function startTeller() {
  const state: { next: Buffer; ends: 'end' | 'reset' } = { next: Buffer.alloc(0), ends: 'end' };
  const server = createServer((socket) => {
    socket.once('data', () => {
      const { next, ends } = state;
      socket.write(next, () => (ends === 'end' ? socket.end() : socket.resetAndDestroy()));
    });
  });
  return Object.assign(await listenOn(server), { state });
}

test('6000 hostile streams are read to their end, which is told once', async () => {
  await using teller = await startTeller();
  const said = `: beat\n\n${EVENTS.map(([name, value]) => `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`).join('')}`;
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n';
  const whole = Buffer.from(head + said);
  const run = async (dice: Dice) => {
    const bytes = dice.chance(0.7)
      ? Buffer.concat([Buffer.from(head), mutated(Buffer.from(said), dice, '\r\n: {}[]"\\\0\x85')])
      : mutated(whole, dice, '\r\n: 0123456789');
    Object.assign(teller.state, { next: bytes, ends: dice.one(['end', 'reset']) });
    const knowledge = emptyKnowledge();
    let ends = 0;
    const end = await within(
      GUARD_MS,
      `the end of ${shown(bytes)}`,
      new Promise<FeedEnd>((resolve) => {
        follow({
          url: teller.url,
          clock: systemClock,
          connectTimeoutMs: 1000,
          onEvent: (name, value) => {
            learnEvent(knowledge, name, value);
          },
          onEnd: (how) => {
            ends += 1;
            resolve(how);
          },
        });
      }),
    );
    if (end === 'silent' || ends !== 1) throw new Error(`${end}, ${ends} times, of ${shown(bytes)}`);
    if (!finite(knowledge.load)) throw new Error(`numbers of ${shown(bytes)}`);
  };
  await fuzz({ name: 'streams, first', cases: 100, run });
  const [heap, sockets] = [heapBytes(), openSockets()];
  await fuzz({ name: 'hostile streams', cases: 6000, run });
  await until(5000, 'connections to be gone', () => openSockets() <= sockets);
  expect(heapBytes() - heap).toBeLessThan(4_000_000);
});

const CHUNK = 64 * 1024;
/** What a server may tell without end. */
const ENDLESS: readonly (readonly [what: string, head: string, more: string])[] = [
  ['a line', 'data: ', 'x'.repeat(CHUNK)],
  ['lines of one event', '', `data: ${'x'.repeat(100)}\n`.repeat(600)],
  ['comments', '', ':\n'.repeat(CHUNK / 2)],
  ['line ends', '', '\n'.repeat(CHUNK)],
  ['carriage returns', '', '\r'.repeat(CHUNK)],
  ['events', '', 'data: 1\n\n'.repeat(CHUNK / 9)],
  ['event names', '', `event: ${'y'.repeat(1000)}\n`.repeat(60)],
  ['ids', '', `id: ${'y'.repeat(1000)}\n`.repeat(60)],
  ['depth', 'data: ', '['.repeat(CHUNK)],
];

test.each(ENDLESS)(
  '%s without end keeps the process free, and is ended',
  async (_, head, more) => {
    const server = createServer((socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n${head}`);
        const pour = () => {
          while (!socket.destroyed && socket.write(more));
        };
        socket.on('drain', pour);
        pour();
      });
    });
    await using teller = await listenOn(server);
    time.takeLongest();
    const end = await within(
      15_000,
      'the end',
      new Promise<FeedEnd>((resolve) => {
        follow({
          url: teller.url,
          clock: systemClock,
          connectTimeoutMs: 1000,
          onEvent: () => {},
          onEnd: resolve,
        });
      }),
    );
    expect(end).toBe('broken');
    expect(time.takeLongest()).toBeLessThan(LIMIT_MS);
  },
  20_000,
);

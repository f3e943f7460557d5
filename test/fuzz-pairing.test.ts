import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import tls from 'node:tls';
import { SRP } from 'fast-srp-hap';
import { expect, test, vi } from 'vitest';
import { PAIR_PATH } from '../src/daemon/gate.ts';
import { readJob } from '../src/daemon/job-wire.ts';
import { PAIRING_PATH } from '../src/daemon/pair-door.ts';
import { readGuest, readHostProof, readOffer } from '../src/daemon/pair-wire.ts';
import { readAddOrder } from '../src/daemon/server-request.ts';
import { HEARTBEAT_PATH, readHeartbeat } from '../src/discovery/heartbeat.ts';
import { OllanaError } from '../src/errors.ts';
import { LIST_FILE } from '../src/security/allow-list.ts';
import { loadIdentity } from '../src/security/identity.ts';
import { answerOffer, ShownCode } from '../src/security/pairing.ts';
import { startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';
import { type Dice, fuzz, heapBytes, oddText, openSockets, shown } from './_fuzz.ts';
import { RawClient, RawClients } from './_fuzz-client.ts';
import { noOutside, OUTSIDE, startTwo } from './_paired.ts';
import { skipBecause } from './_skip.ts';

skipBecause(noOutside);

/** On a busy machine. */
vi.setConfig({ testTimeout: 120_000 });

const hex = (bytes: number): string => 'a5'.repeat(bytes);
const CLAIM = { step: 'prove', name: 'laptop', salt: hex(16), guestKey: hex(384), proof: hex(32) };
const OFFER = { name: 'gpu', salt: hex(16), hostKey: hex(384) };
const BEAT = {
  node_id: 'gpu1',
  ipv4: '10.0.0.2',
  ipv6: 'fd00::2',
  port: 11435,
  models: ['m', 'n:1b'],
  metadata: { os: 'linux', gpu: 'x' },
  load: { cpu: 0.5, memory: 0.25 },
};
const JOB = {
  model: 'nobody-has-it',
  prompt: 'Why?',
  options: { temperature: 0.5, stop: ['x'] },
  stream: true,
};
const ORDER = { url: 'http://127.0.0.1:9', name: 'attic', keep: false };

type Json = Readonly<Record<string, unknown>>;

function parsed(text: Buffer): Json | undefined {
  try {
    const value: unknown = JSON.parse(text.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a reader throws nothing but what a client is told in a line. */
function harmless(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    const isTold = error instanceof RangeError || (error instanceof OllanaError && error.status === 400);
    if (!isTold || (error as Error).message.length > 3000) throw error;
  }
}

test('20000 messages of pairing, beats, jobs and orders are read without harm', async () => {
  const isText = (text: string) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text);
  const readers: readonly (readonly [unknown, (body: Json) => unknown])[] = [
    [CLAIM, (body) => readGuest(body)],
    [
      OFFER,
      (body) => {
        const offer = readOffer(body);
        if (offer && !(isText(offer.name) && offer.hostKey.length <= 384 && offer.salt.length > 0))
          throw new Error('an offer that is none');
      },
    ],
    [{ proof: hex(32) }, (body) => readHostProof(body)],
    [
      BEAT,
      (body) => {
        const beat = readHeartbeat(body);
        const texts = [beat.nodeId, ...beat.models, ...Object.entries(beat.metadata).flat()];
        if (!texts.every(isText) || beat.port < 1 || beat.port > 65_535)
          throw new Error('a beat that is none');
        JSON.stringify(beat);
      },
    ],
    [JOB, (body) => JSON.stringify(readJob(body))],
    [ORDER, (body) => readAddOrder(body)],
  ];
  await fuzz({
    name: 'messages',
    cases: 20_000,
    run: (dice) => {
      const [model, read] = dice.one(readers);
      const body = parsed(oddText(model, dice));
      if (body) harmless(() => read(body));
    },
  });
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

const PARTIES = { hostId: 'a'.repeat(64), hostName: 'gpu', guestId: 'b'.repeat(64), guestName: 'laptop' };
const N = Buffer.from(SRP.params['3072'].N.toBuffer(384));
const less = (bytes: Buffer) => {
  const copy = Buffer.from(bytes);
  copy[copy.length - 1] = (copy.at(-1) ?? 1) - 1;
  return copy;
};
/** Numbers with which somebody without the code would know the key, and others that are none. */
const ODD_KEYS: readonly (readonly [string, Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['0', Buffer.alloc(1)],
  ['0 in full', Buffer.alloc(384)],
  ['1', Buffer.from([1])],
  ['N', N],
  ['N - 1', less(N)],
  ['all ones', Buffer.alloc(384, 0xff)],
  ['more than there may be', Buffer.alloc(385, 1)],
];

test.each(ODD_KEYS)('a key of %s pairs nobody without the code, on either side', (_, key) => {
  // What whoever sends it hopes that the secret is.
  for (const digits of ['000000', '123456']) {
    const shownCode = new ShownCode();
    const guess = answerOffer(shownCode, digits, PARTIES);
    expect(shownCode.judge({ guestKey: key, proof: guess.proof }, PARTIES)).toBeUndefined();
    expect(shownCode.judge(guess, PARTIES)).toBeUndefined();
  }
  try {
    const fake = answerOffer({ salt: Buffer.alloc(16), hostKey: key }, '123456', PARTIES);
    for (const proof of [Buffer.alloc(0), Buffer.alloc(32), fake.proof])
      expect(fake.isHost(proof)).toBe(false);
  } catch (error) {
    expect((error as Error).message).not.toBe('');
  }
});

test('3000 hostile messages to whoever shows a code pair nobody, and the code still counts', async () => {
  await using two = await startTwo();
  const server = await two.serve();
  const own = loadIdentity(two.clientDir);
  const port = Number(new URL(server.url).port);
  const dial = () =>
    tls.connect({
      host: OUTSIDE,
      port,
      key: own.key,
      cert: own.cert,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    });
  const guests = new RawClients(4, () => new RawClient(OUTSIDE ?? '', port, dial));
  let codes = 0;
  let pairing = show();
  function show() {
    let isOver = false;
    const sent = request(`${server.url}${PAIRING_PATH}`, { method: 'POST', agent: false }, (response) => {
      response.on('data', (chunk: Buffer) => {
        if (chunk.includes('"code"')) codes += 1;
      });
      response.on('close', () => {
        isOver = true;
      });
      response.on('error', () => {});
    });
    sent.on('error', () => {});
    sent.end();
    return { isOver: () => isOver, end: () => sent.destroy() };
  }
  await until(5000, 'a code', () => codes > 0);
  let [claims, offers] = [0, 0];
  const one = async (dice: Dice, guest: RawClient) => {
    if (pairing.isOver()) {
      pairing = show();
    }
    const path = PAIR_PATH;
    let message: unknown = dice.chance(0.3) ? { step: 'greet' } : CLAIM;
    if (dice.chance(0.02)) {
      // One that costs a code.
      const { text } = await guest.ask({ path, body: Buffer.from('{"step":"greet"}') });
      const { salt } = JSON.parse(text) as { salt?: string };
      if (salt !== undefined) message = { ...CLAIM, salt };
      claims += 1;
    }
    const body =
      message === CLAIM || dice.chance(0.5) ? oddText(message, dice) : Buffer.from(JSON.stringify(message));
    const got = await guest.ask({ path, body });
    if (got.status === 200 && got.text.includes('hostKey')) offers += 1;
    else if (![400, 403, 409, 413].includes(got.status))
      throw new Error(`${shown(body)} got ${got.status} ${shown(got.text)}`);
  };
  const run = (dice: Dice) => guests.use((guest) => one(dice, guest));
  await fuzz({ name: 'pairing, first', cases: 100, atOnce: 4, run });
  const heap = heapBytes();
  await fuzz({ name: 'messages to whoever shows a code', cases: 3000, atOnce: 4, run });
  expect([claims > 20, offers > 100, codes > 5]).toEqual([true, true, true]);
  expect(existsSync(join(two.serverDir, LIST_FILE))).toBe(false);
  guests.drop();
  pairing.end();
  expect(heapBytes() - heap).toBeLessThan(6_000_000);
});

test('6000 hostile beats, jobs and orders at a client are answered within 1 s each, and change nothing', async () => {
  await using cluster = await startCluster({
    ollamas: [{ models: [{ name: 'm' }] }],
    client: { acceptRegistrations: true, holdMs: 0 },
  });
  const { hostname: host, port } = new URL(cluster.url);
  const clients = new RawClients(8, () => new RawClient(host, Number(port)));
  const before = cluster.client.status().servers.map(({ name }) => name);
  const one = async (dice: Dice, client: RawClient) => {
    const bad = [
      { url: 5 },
      { url: '' },
      { url: 'ftp://x' },
      { url: 'http://a:0' },
      { url: 'http://[::1' },
      { server: '=' },
      { name: 'x' },
      { url: 'http://a:1', more: 1 },
    ];
    const [path, body] = dice.one([
      () =>
        [
          HEARTBEAT_PATH,
          oddText({ ...BEAT, port: dice.one([0, -1, 65_536, '9', null, 1.5]) }, dice),
        ] as const,
      () => ['/jobs', oddText(JOB, dice)] as const,
      () => ['/add_server', Buffer.from(JSON.stringify(dice.one(bad)))] as const,
      () =>
        [
          '/api/chat',
          oddText(
            { model: 'nobody-has-it', messages: [{ role: 'user', content: 'x' }], stream: false },
            dice,
          ),
        ] as const,
      () =>
        [
          '/api/generate',
          oddText({ model: 'nobody-has-it', prompt: 'x', options: { num_ctx: 5 }, keep_alive: 0 }, dice),
        ] as const,
      () => ['/v1/messages', oddText({ model: 'nobody-has-it', messages: [], max_tokens: 5 }, dice)] as const,
      () => ['/api/embed', oddText({ model: 'nobody-has-it', input: ['a', 'b'] }, dice)] as const,
    ])();
    const type = dice.one([
      'application/json',
      'application/json; charset=utf-8',
      'text/plain',
      'application/json',
      'multipart/form-data',
    ]);
    const got = await client.ask({ path, body, headers: { 'Content-Type': type } });
    if (got.status < 200 || (got.status >= 500 && got.status !== 503))
      throw new Error(`${path} ${shown(body)} got ${got.status} ${shown(got.text)}`);
  };
  const run = (dice: Dice) => clients.use((client) => one(dice, client));
  await fuzz({ name: 'bodies, first', cases: 300, atOnce: 8, run });
  cluster.log.lines.length = 0;
  const [heap, sockets] = [heapBytes(), openSockets()];
  await fuzz({
    name: 'bodies at a client',
    cases: 6000,
    atOnce: 8,
    run,
    afterLot: async () => {
      cluster.log.lines.length = 0;
      const { status } = await clients.use((client) =>
        client.ask({
          path: '/api/tags',
          method: 'GET',
          body: Buffer.alloc(0),
        }),
      );
      expect(status).toBe(200);
    },
  });
  clients.drop();
  await until(5000, 'connections to be gone', () => openSockets() <= sockets);
  expect(cluster.client.status().servers.map(({ name }) => name)).toEqual(before);
  cluster.log.lines.length = 0;
  expect(heapBytes() - heap).toBeLessThan(8_000_000);
});

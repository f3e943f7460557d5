import { expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { lookAt } from '../src/daemon/look-at.ts';
import { ownDialer } from '../src/daemon/own-dialer.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { until } from './_deadline.ts';
import { allow, disable, startTwo, type Two, untilUsed } from './_paired.ts';
import { type RustServer, startRustServer } from './_rust-server.ts';
import { ask, chat } from './_simulate-client.ts';

/** A client that uses paired devices only, and a Rust server that it hears of. */
async function start(generation: 1 | 2 | 3) {
  const behind = await startSimulatedOllama({ models: [{ name: 'old', tokensPerSecond: 200 }] });
  const rust = await startRustServer({ generation, ollama: behind.url });
  const two: Two = await startTwo();
  const client = await two.client([`${rust.url}=rust`], { requirePairing: true, holdMs: 0 });
  return {
    rust,
    two,
    client,
    async [Symbol.asyncDispose]() {
      await two[Symbol.asyncDispose]();
      await rust[Symbol.asyncDispose]();
      await behind[Symbol.asyncDispose]();
    },
  };
}

type Started = Awaited<ReturnType<typeof start>>;

const seen = ({ client }: Started) => client.status().servers.find(({ name }) => name === 'rust');

/** Resolves with the reason why it is not used. */
const untilTold = (started: Started, words: RegExp) =>
  until(20_000, `a reason with ${words}`, () => words.exec(seen(started)?.reason ?? '') ?? undefined);

/** What it was asked but for questions whether it is there and serves us. */
const requests = ({ asked }: RustServer) =>
  asked.filter(({ line }) => !/^(GET \/api\/version|POST \/ollana\/api\/authorize)$/.test(line));

it.each([2, 3] as const)(
  'where pairing is required a Rust server of generation %i is told not a word before its certificate is allowed',
  async (generation) => {
    await using started = await start(generation);
    const { rust, client, two } = started;
    const [, id = ''] = await untilTold(started, /^found, not paired: type `ollana device allow (\w+)` here/);
    expect(id).toBe(rust.sha256);
    expect(seen(started)).toMatchObject({ notPaired: true, models: [] });
    expect((await ask(client, '/api/chat', chat('old', 'hi'))).status).toBe(503);
    expect(rust.asked).toEqual([]);

    await allow(two.clientDir, id, 'rust');
    if (generation === 3) {
      const [, shown = ''] = await untilTold(started, /^type `ollana device allow (\w+)` on that machine/);
      expect([two.clientId, id]).not.toContain(shown);
      expect(requests(rust).map(({ line }) => line)).toEqual(['GET /ollana/api/hello']);
      rust.allowed.add(shown);
    }
    await untilUsed(client);
    const answer = await ask(client, '/api/chat', chat('old', 'hi'));
    expect([answer.status, answer.headers['x-ollana-server'], answer.complete]).toEqual([200, 'rust', true]);
    expect(seen(started)).toMatchObject({ deviceId: rust.sha256, kind: 'ollama' });

    await disable(two.clientDir, id);
    await until(1000, 'it to be shut out', () => seen(started)?.notPaired && rust.sockets.size === 0);
    const before = rust.asked.length;
    expect((await ask(client, '/api/chat', chat('old', 'hi'))).status).toBe(503);
    expect(rust.asked.length).toBe(before);
  },
  60_000,
);

it('another certificate at the address of an allowed one gets no word, either', async () => {
  await using started = await start(2);
  const { rust, client, two } = started;
  await allow(two.clientDir, rust.sha256, 'rust');
  await untilUsed(client);
  rust.renew();
  await untilTold(started, new RegExp(rust.sha256));
  const before = rust.asked.length;
  expect((await ask(client, '/api/chat', chat('old', 'hi'))).status).toBe(503);
  expect(rust.asked.length).toBe(before);
}, 30_000);

it('one of 0.1 to 0.3 cannot prove who it is, and is not used', async () => {
  await using started = await start(1);
  await untilTold(started, /speaks plain HTTP only; run `ollana serve` there/);
  expect(started.rust.asked).toEqual([]);
});

it('`discover` says the same', async () => {
  await using started = await start(3);
  const { rust, two } = started;
  await allow(two.clientDir, 'ab'.repeat(32));
  using own = ownDialer({
    dataDir: two.clientDir,
    requirePairing: undefined,
    exempt: 'http://127.0.0.1:1',
    clock: systemClock,
  });
  const limits = { clock: systemClock, connectTimeoutMs: 1000, signal: new AbortController().signal };
  const look = () => lookAt(rust.url, { ...limits, dialer: own.dialer, shownIds: () => 'cd'.repeat(32) });
  expect(await look()).toMatchObject({
    state: 'rejected',
    code: 'OLLANA_NOT_PAIRED',
    reason: expect.stringContaining(`ollana device allow ${rust.sha256}`),
  });
  await allow(two.clientDir, rust.sha256);
  rust.allowed.add('cd'.repeat(32));
  await until(2000, 'it to be usable', async () => (await look()).state === 'usable');
});

it('in the open state the first paired device ends the use of a Rust server that was pinned', async () => {
  await using behind = await startSimulatedOllama({ models: [{ name: 'old' }] });
  await using rust = await startRustServer({ generation: 2, ollama: behind.url });
  await using two = await startTwo();
  const client = await two.client([`${rust.url}=rust`], { holdMs: 0 });
  await untilUsed(client);
  await allow(two.clientDir, 'ab'.repeat(32));
  await until(2000, 'it to be refused', () => client.status().servers.find(({ notPaired }) => notPaired));
  await until(2000, 'its connections to end', () => rust.sockets.size === 0);
  const before = rust.asked.length;
  expect((await ask(client, '/api/chat', chat('old', 'hi'))).status).toBe(503);
  expect(rust.asked.length).toBe(before);
});

import { Agent } from 'node:http';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { serverLoad } from '../src/fleet/load.ts';
import { UNLOADED } from '../src/routing/finish.ts';
import { RemoteDesk } from '../src/server/remote-desk.ts';
import type { SimulatedOllama, SimulatedOllamaOptions } from '../src/simulate/ollama.ts';
import { type Cluster, startBefore, startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';
import { openGranted, openTicket, startGate, startTap, watchLoad } from './_door.ts';
import { ask, chat, send, within } from './_simulate-client.ts';

/** Words of an answer, 5 ms each; a `steady` one takes longer than what is told of a load is old. */
const LENGTHS: Readonly<Record<string, number>> = { steady: 20 };

/**
 * Ollamas that would run a hundred at once, each behind an ollana that is told of one slot: the most that one ever
 * ran is what was let through to it. Behind a closed gate an answer ends no more.
 */
async function start(
  count: number,
  loaded: readonly (string | undefined)[] = Array(count).fill('m'),
  speeds: readonly number[] = Array(count).fill(200),
) {
  const gate = startGate();
  const ollamas = speeds.map(
    (tokensPerSecond): SimulatedOllamaOptions => ({
      models: [{ name: 'm', tokensPerSecond }],
      numParallel: 100,
      answer: (prompt) => 'word '.repeat(LENGTHS[prompt] ?? 2).trim(),
      clock: gate.clock,
    }),
  );
  return Object.assign(await startCluster({ serve: true, ollamas, loaded, server: { parallel: 1 } }), {
    gate,
  });
}

const serverUrl = (cluster: Cluster, i = 0) => cluster.servers[i]?.url ?? '';
const ollamaOf = (cluster: Cluster, i = 0) => cluster.ollamas[i] as SimulatedOllama;

/** Closes the gate behind a request of the server's own machine, which then has the slot. */
async function hold(cluster: Awaited<ReturnType<typeof start>>): Promise<void> {
  cluster.gate.close();
  send({ url: serverUrl(cluster) }, '/api/chat', chat('m', 'hold'));
  await until(5000, 'the slot to be held', () => askedOf(ollamaOf(cluster)).includes('hold'));
}

/** The last words of each chat that an Ollama has seen, in the order they came. */
function askedOf({ seen }: SimulatedOllama): string[] {
  return seen
    .filter(({ path }) => path === '/api/chat')
    .map(({ body }) => JSON.parse(String(body)).messages.at(-1).content as string);
}

/** Sends chats one after the other without waiting for answers, each once the one before is in the queue. */
async function queueUp(
  watched: Awaited<ReturnType<typeof watchLoad>>,
  chats: readonly (readonly [url: string, words: string])[],
) {
  const sent = [];
  for (const [i, [url, words]] of chats.entries()) {
    sent.push(send({ url }, '/api/chat', chat('m', words)));
    await watched.queued(i + 1);
  }
  return sent;
}

describe('one slot', () => {
  it('runs twelve requests of one client one at a time, in the order they came', async () => {
    await using cluster = await start(1);
    using watched = await watchLoad(serverUrl(cluster));
    const words = Array.from({ length: 12 }, (_, i) => `q${i}`);
    await ask(cluster, '/api/chat', chat('m', 'first'));
    await hold(cluster);
    const sent = await queueUp(
      watched,
      words.map((one) => [cluster.url, one] as const),
    );
    cluster.gate.open();
    const answers = await within(Promise.all(sent.map(({ answer }) => answer)), 'all answers', 10_000);
    expect(answers.map(({ status, complete }) => [status, complete])).toEqual(Array(12).fill([200, true]));
    expect(askedOf(ollamaOf(cluster))).toEqual(['first', 'hold', ...words]);
    expect(ollamaOf(cluster).stats().maxActive).toBe(1);
    await watched.idle();
  });

  it('runs twelve at once of six clients one at a time, and the clients take turns', async () => {
    await using cluster = await start(1);
    using watched = await watchLoad(serverUrl(cluster));
    await using clients = await startClients(serverUrl(cluster), 6);
    await hold(cluster);
    const sent = await queueUp(
      watched,
      clients.urls.flatMap((url, i) => [[url, `${i}a`] as const, [url, `${i}b`] as const]),
    );
    cluster.gate.open();
    const answers = await within(Promise.all(sent.map(({ answer }) => answer)), 'all answers', 10_000);
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
    const turns = ['a', 'b'].flatMap((turn) => clients.urls.map((_, i) => `${i}${turn}`));
    expect(askedOf(ollamaOf(cluster))).toEqual(['hold', ...turns]);
    expect(ollamaOf(cluster).stats().maxActive).toBe(1);
    await watched.idle();
  });

  it('never runs two of a crowd that comes all at once', async () => {
    await using cluster = await start(1);
    await using clients = await startClients(serverUrl(cluster), 6);
    const sent = clients.urls.flatMap((url) =>
      [1, 2].map((i) => ask({ url }, '/api/chat', chat('m', `q${i}`))),
    );
    const answers = await Promise.all(sent);
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
    expect(ollamaOf(cluster).stats().maxActive).toBe(1);
  });

  it("serves another device's next request after one of a hundred that wait", async () => {
    await using cluster = await start(1);
    using watched = await watchLoad(serverUrl(cluster));
    await using clients = await startClients(serverUrl(cluster), 2);
    const [a = '', b = ''] = clients.urls;
    await hold(cluster);
    const many = Array.from({ length: 100 }, (_, i) => send({ url: a }, '/api/chat', chat('m', `a${i}`)));
    await watched.queued(100);
    const one = send({ url: b }, '/api/chat', chat('m', 'b'));
    await watched.queued(101);
    cluster.gate.open();
    expect((await within(one.answer, 'the answer')).status).toBe(200);
    expect(askedOf(ollamaOf(cluster)).indexOf('b')).toBeLessThanOrEqual(2);
    const answers = await within(Promise.all(many.map(({ answer }) => answer)), 'all answers', 10_000);
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(ollamaOf(cluster).stats().maxActive).toBe(1);
  });

  it('is used at once and without a ticket when it is free', async () => {
    await using cluster = await start(1);
    using watched = await watchLoad(serverUrl(cluster));
    await using tap = await startTap(serverUrl(cluster));
    await using before = await startBefore([tap.url]);
    await until(5000, 'the client to be told', tap.told);
    for (let i = 0; i < 8; i += 1) {
      const { status } = await ask(before, '/api/chat', chat('m', 'steady'));
      expect(status).toBe(200);
      await watched.idle();
    }
    const asked = tap.asked.filter(({ method }) => method === 'POST');
    expect(asked.map(({ url }) => url)).toEqual(Array(8).fill('/api/chat'));
    expect(asked.every(({ headers }) => headers['x-ollana-if-free'] === '1')).toBe(true);
  });
});

describe('a grant', () => {
  it('lapses after 2 s when nobody claims it, and the next one is served', async () => {
    await using cluster = await start(1);
    const url = serverUrl(cluster);
    const first = await openGranted(url, 'a');
    const second = openTicket(url, 'b');
    await until(5000, 'the second grant', () => second.grant() !== undefined);
    const waited = (second.grantedAt() ?? 0) - (first.grantedAt() ?? 0);
    expect(waited).toBeGreaterThan(1900);
    expect(waited).toBeLessThan(2500);
    expect((await first.answer).complete).toBe(true);
    const late = await claim(url, first.grant(), 'a');
    expect([late.status, late.headers['x-ollana-error']]).toEqual([503, 'OLLANA_BUSY']);
    expect((await claim(url, second.grant(), 'b')).status).toBe(200);
  });

  it('is for the device that it was given to, and once', async () => {
    await using cluster = await start(1);
    const url = serverUrl(cluster);
    const ticket = await openGranted(url, 'a');
    for (const [id, device] of [
      [ticket.grant(), 'b'],
      [ticket.grant(), ''],
      ['00000000-0000-4000-8000-000000000000', 'a'],
    ] as const) {
      const { status, headers } = await claim(url, id, device);
      expect([device, status, headers['x-ollana-error']]).toEqual([device, 503, 'OLLANA_BUSY']);
    }
    expect((await claim(url, ticket.grant(), 'a')).status).toBe(200);
    expect((await claim(url, ticket.grant(), 'a')).status).toBe(503);
    expect(askedOf(ollamaOf(cluster))).toEqual(['mine']);
  });

  it('goes to the next one at once when its ticket is closed, and a closed ticket gets none', async () => {
    await using cluster = await start(1);
    const url = serverUrl(cluster);
    using watched = await watchLoad(url);
    const first = await openGranted(url, 'a');
    const gone = openTicket(url, 'b');
    await watched.queued(1);
    const last = openTicket(url, 'c');
    await watched.queued(2);
    gone.close();
    await watched.queued(1);
    const closedAt = performance.now();
    first.close();
    await until(5000, 'the last grant', () => last.grant() !== undefined);
    expect((last.grantedAt() ?? 0) - closedAt).toBeLessThan(500);
    expect(gone.grant()).toBeUndefined();
    last.close();
    await watched.idle();
  });

  it('of two at once, one is used and the other goes back at once', async () => {
    await using cluster = await start(2);
    const urls = [serverUrl(cluster, 0), serverUrl(cluster, 1)];
    using one = await watchLoad(urls[0] ?? '');
    using two = await watchLoad(urls[1] ?? '');
    const taps = await Promise.all(urls.map((url) => startTap(url)));
    await using before = await startBefore(taps.map(({ url }) => url));
    await until(5000, 'the client to be told', () => taps.every((tap) => tap.told()));
    const held = await Promise.all(urls.map((url) => openGranted(url, 'x')));
    await until(5000, 'it to be told', () => [one, two].every((each) => each.row()?.active === 1));
    cluster.gate.close();
    const request = send(before, '/api/chat', chat('m', 'q'));
    // A ticket that is open elsewhere too is not told of: only the taps see both.
    const tickets = () => taps.flatMap(({ asked }) => asked).filter(({ url }) => url.endsWith('/tickets'));
    await until(5000, 'tickets at both', () => tickets().length === 2);
    for (const ticket of held) ticket.close();
    await until(5000, 'one of them to run it', () => cluster.ollamas.some((one) => askedOf(one).length > 0));
    const loser = cluster.ollamas.findIndex((ollama) => askedOf(ollama).length === 0);
    expect(cluster.ollamas.map((ollama) => askedOf(ollama).length).sort()).toEqual([0, 1]);
    const freedAt = performance.now();
    const next = await openGranted(urls[loser] ?? '', 'x');
    expect((next.grantedAt() ?? 0) - freedAt).toBeLessThan(500);
    next.close();
    cluster.gate.open();
    expect((await request.answer).status).toBe(200);
    await Promise.all([one.idle(), two.idle()]);
    for (const tap of taps) await tap[Symbol.asyncDispose]();
  });
});

describe('a seat that looked free and was found taken', () => {
  it('counts as taken until its server has told who has it', () => {
    const job = { model: 'm', device: 'd', promptTokens: 1, maxOutputTokens: 1, numCtx: undefined };
    const desk = new RemoteDesk({
      clock: systemClock,
      url: 'http://127.0.0.1:1',
      agent: new Agent(),
      device: 'd',
      load: () => serverLoad({ m: { ...UNLOADED, loaded: true } }),
    });
    desk.take(job)?.release();
    expect(desk.load()?.models.m?.active).toBe(1);
    desk.take(job)?.release({ counters: undefined, streamed: true, firstByteMs: 1, totalMs: 1 });
    expect(desk.load()?.models.m?.active).toBe(1);
  });
});

describe('two servers with one slot each', () => {
  it('run two requests of one moment side by side, though one is the faster', async () => {
    await using cluster = await start(2, ['m', 'm'], [400, 200]);
    for (const { url } of cluster.servers) await ask({ url }, '/api/chat', chat('m', 'steady'));
    const urls = [serverUrl(cluster, 0), serverUrl(cluster, 1)];
    const taps = await Promise.all(urls.map((url) => startTap(url)));
    await using before = await startBefore(taps.map(({ url }) => url));
    await until(5000, 'the client to be told', () => taps.every((tap) => tap.told()));
    cluster.gate.close();
    // The second is chosen for before anybody could tell of the first.
    const sent = ['a', 'b'].map((words) => send(before, '/api/chat', chat('m', words)));
    await until(5000, 'one at each', () => cluster.ollamas.every((one) => askedOf(one).length === 2));
    cluster.gate.open();
    const answers = await within(Promise.all(sent.map(({ answer }) => answer)), 'all answers', 10_000);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    for (const tap of taps) await tap[Symbol.asyncDispose]();
  });
});

describe('a server that has failed once', () => {
  it('gets the next request that would have to wait, and is trusted again', async () => {
    await using cluster = await start(2);
    const [first, second] = [ollamaOf(cluster, 0), ollamaOf(cluster, 1)];
    first.faults.set({ kind: 'cut', afterLines: 1 }, { times: 1 });
    const named = `/api/chat?server=${new URL(serverUrl(cluster, 0)).host}`;
    const broken = await ask(cluster, named, chat('m', 'broken'));
    expect(broken.text).toContain('"error"');
    expect((await verdicts(cluster)).sort()).toEqual(['reliable', 'unreliable']);
    expect((await ask(cluster, '/api/chat', chat('m', 'free'))).status).toBe(200);
    expect(askedOf(second)).toEqual(['free']);
    cluster.gate.close();
    send({ url: serverUrl(cluster, 1) }, '/api/chat', chat('m', 'hold'));
    await until(5000, 'the slot to be held', () => askedOf(second).includes('hold'));
    const next = send(cluster, '/api/chat', chat('m', 'next'));
    await until(5000, 'it to be asked', () => askedOf(first).includes('next'));
    cluster.gate.open();
    expect((await within(next.answer, 'the answer', 5000)).status).toBe(200);
    await until(5000, 'it to be trusted', async () => !(await verdicts(cluster)).includes('unreliable'));
  });
});

async function verdicts({ url }: { readonly url: string }): Promise<string[]> {
  const { servers } = (await (await fetch(`${url}/ollana/api/status`)).json()) as {
    servers: { verdict: string }[];
  };
  return servers.map(({ verdict }) => verdict);
}

describe('a server that goes away', () => {
  it('while a request waits there: the request is served elsewhere', async () => {
    await using cluster = await start(2, ['m', undefined]);
    const [near = '', far = ''] = [serverUrl(cluster, 0), serverUrl(cluster, 1)];
    using watched = await watchLoad(near);
    await using tap = await startTap(near);
    await using before = await startBefore([tap.url, far]);
    await until(5000, 'the client to be told', tap.told);
    // A few tokens: waiting for them is cheaper than loading the model at the other server.
    const held = openTicket(near, 'x', { model: 'm', maxOutputTokens: 1 });
    await until(5000, 'the slot to be held', () => held.grant() !== undefined);
    await until(5000, 'it to be told', () => watched.row()?.active === 1);
    const request = send(before, '/api/chat', chat('m', 'q', { options: { num_predict: 2 } }));
    await watched.queued(1);
    await cluster.servers[0]?.stop();
    const answer = await within(request.answer, 'the answer', 10_000);
    expect(answer.status).toBe(200);
    expect(cluster.ollamas.map(askedOf)).toEqual([[], ['q']]);
  });
});

/** A chat that shows a grant, as `device`. */
function claim(url: string, grant: string | undefined, device: string) {
  const headers = { 'X-Ollana-Grant': grant ?? '', 'X-Ollana-Device': device };
  return within(send({ url }, '/api/chat', chat('m', 'mine'), { headers }).answer, 'an answer to a claim');
}

/** Client-mode daemons that are different devices, told of the load of the one server they know. */
async function startClients(url: string, count: number) {
  const parts: AsyncDisposable[] = [];
  const urls: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const tap = await startTap(url);
    const before = await startBefore([tap.url]);
    parts.unshift(before, tap);
    urls.push(before.url);
    await until(5000, 'the client to be told', tap.told);
  }
  return {
    urls,
    async [Symbol.asyncDispose]() {
      for (const part of parts) await part[Symbol.asyncDispose]();
    },
  };
}

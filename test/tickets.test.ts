import { describe, expect, it } from 'vitest';
import { startBefore } from './_cluster.ts';
import { until } from './_deadline.ts';
import { openTicket, startTap, watchLoad } from './_door.ts';
import { ask, chat, send, within } from './_simulate-client.ts';
import { askedOf, ollamaOf, serverUrl, start } from './_tickets.ts';

/** Closes the gate behind a request of the server's own machine, which then has the slot. */
async function hold(cluster: Awaited<ReturnType<typeof start>>): Promise<void> {
  cluster.gate.close();
  send({ url: serverUrl(cluster) }, '/api/chat', chat('m', 'hold'));
  await until(5000, 'the slot to be held', () => askedOf(ollamaOf(cluster)).includes('hold'));
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

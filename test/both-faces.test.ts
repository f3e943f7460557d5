import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ServerConfig } from '../src/config.ts';
import type { Daemon } from '../src/daemon/daemon.ts';
import { startServer } from '../src/daemon/server.ts';
import {
  type SimulatedOllama,
  type SimulatedOllamaOptions,
  startSimulatedOllama,
} from '../src/simulate/ollama.ts';
import { LOOPBACK } from './_beacon.ts';
import { startBefore } from './_cluster.ts';
import { commonConfig, TestLog } from './_cluster-config.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { freePort } from './_ports.ts';
import { ask, chat, send, within } from './_simulate-client.ts';

/** Each GPU gives an answer in a second, one at a time; `m` is everybody's, and each has a model of its own. */
const gpu = (name: string): SimulatedOllamaOptions => ({
  label: name,
  models: [{ name: 'm', tokensPerSecond: 50 }, { name: `only-${name}` }],
  answer: (prompt) => (prompt === 'short' ? 'word' : 'word '.repeat(50).trim()),
});

interface Machine {
  readonly ollama: SimulatedOllama;
  readonly daemon: Daemon;
  readonly url: string;
}

/**
 * GPU machines a, b ..., each with a server-mode ollana; they find each other by themselves. Resolves when each
 * knows what all of them hold.
 */
async function startMachines(names: readonly string[], more: Partial<ServerConfig> = {}) {
  const folder = temporaryDirectory('faces');
  const discoveryPort = await freePort();
  const machines: Machine[] = [];
  const end = async () => {
    for (const { daemon, ollama } of machines) {
      await daemon.stop();
      await ollama[Symbol.asyncDispose]();
    }
    folder[Symbol.dispose]();
  };
  for (const name of names) {
    const ollama = await startSimulatedOllama(gpu(name));
    await ollama.load('m');
    const lan = { discoveryPort, udp: true, interfaces: [LOOPBACK] };
    const common = commonConfig(join(folder.path, name), { name, ollama: ollama.url, ...lan });
    const config: ServerConfig = { ...common, mode: 'server', allow: new Set(), parallel: 1, ...more };
    const daemon = await startServer(config, new TestLog());
    machines.push({ ollama, daemon, url: daemon.url });
  }
  await until(10_000, 'the machines to know each other', () =>
    machines.every(({ daemon }) => {
      const { servers } = daemon.status();
      return servers.length === names.length && servers.every(({ models }) => models.length === 2);
    }),
  );
  return { machines, [Symbol.asyncDispose]: end };
}

async function startTwo() {
  const started = await startMachines(['a', 'b']);
  const [a, b] = started.machines as [Machine, Machine];
  return { a, b, [Symbol.asyncDispose]: started[Symbol.asyncDispose] };
}

const chatsOf = ({ ollama }: Machine) => ollama.seen.filter(({ path }) => path === '/api/chat');
const server = (answer: { headers: Record<string, unknown> }) => answer.headers['x-ollana-server'];
/** As a client-mode ollana sends what an app of its own asked for. */
const FROM_OLLANA = [{ via: '1.1 ollana-client-0123456789abcdef' }, { 'x-ollana-device': 'f'.repeat(64) }];

/** Keeps a machine's GPU at work for a second; resolves when it is. */
async function occupy(machine: Machine) {
  const before = chatsOf(machine).length;
  const sent = send(machine, '/api/chat', chat('m', 'x'), { headers: FROM_OLLANA[0] as { via: string } });
  await until(5000, 'the GPU to be busy', () => chatsOf(machine).length > before);
  return sent;
}

describe('an app on a GPU machine', () => {
  it('runs at home while its GPU is free, and elsewhere when that is sooner', async () => {
    await using two = await startTwo();
    const { a, b } = two;
    for (let i = 0; i < 3; i += 1) expect(server(await ask(a, '/api/chat', chat('m', 'x')))).toBe('a');
    expect(chatsOf(b)).toEqual([]);
    const busy = await occupy(a);
    const answer = await ask(a, '/api/chat', chat('m', 'x'));
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(server(answer)).toBe('b');
    expect(chatsOf(b)[0]?.headers.via).toMatch(/^1\.1 ollana-server-\w{16}, 1\.1 ollana-server-\w{16}$/);
    expect(server(await busy.answer)).toBe('a');
    expect(server(await ask(a, '/api/chat', chat('m', 'x')))).toBe('a');
  });

  it('has the models and the lists of the whole fleet', async () => {
    await using two = await startTwo();
    const names = JSON.parse((await ask(two.a, '/api/tags')).text).models.map(
      ({ name }: { name: string }) => name,
    );
    expect(names.sort()).toEqual(['m:latest', 'only-a:latest', 'only-b:latest']);
    expect(server(await ask(two.a, '/api/show', { model: 'only-b' }))).toBe('b');
    expect(server(await ask(two.a, '/api/show', { model: 'm' }))).toBe('a');
    expect(server(await ask(two.a, '/api/chat', chat('only-b', 'short')))).toBe('b');
    expect(JSON.parse((await ask(two.a, '/v1/models')).text).data).toHaveLength(3);
  });

  it('changes what is stored here and nowhere else, unless it names a server', async () => {
    await using two = await startTwo();
    const stored = ({ ollama }: Machine) =>
      ollama.models
        .list()
        .map(({ name }) => name)
        .sort();
    expect(server(await ask(two.a, '/api/pull', { model: 'new', stream: false }))).toBe('a');
    await ask(two.a, '/api/delete', { model: 'm' }, { method: 'DELETE' });
    expect(stored(two.a)).toEqual(['new:latest', 'only-a:latest']);
    expect(stored(two.b)).toEqual(['m:latest', 'only-b:latest']);
    expect(server(await ask(two.a, '/api/pull?server=b', { model: 'other', stream: false }))).toBe('b');
    expect(stored(two.b)).toContain('other:latest');
  });

  it('is served by the others while the Ollama here is away', async () => {
    await using two = await startTwo();
    await two.a.ollama.stop();
    expect(server(await ask(two.a, '/api/chat', chat('m', 'short')))).toBe('b');
    expect((await ask(two.a, '/')).text).toBe('Ollama is running');
    const pull = await ask(two.a, '/api/pull', { model: 'new', stream: false });
    expect(pull.status).toBeGreaterThanOrEqual(502);
    expect(two.b.ollama.models.list()).toHaveLength(2);
  });
});

describe('what another ollana sends', () => {
  it.each(FROM_OLLANA)('waits for this GPU and never leaves (%j)', async (headers) => {
    await using two = await startTwo();
    const busy = await occupy(two.a);
    const answers = await Promise.all(
      [1, 2].map(() => ask(two.a, '/api/chat', chat('m', 'short'), { headers: { ...headers } })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers.map(server)).toEqual(['a', 'a']);
    expect((await busy.answer).complete).toBe(true);
    expect(two.a.ollama.stats().maxActive).toBe(1);
    expect(chatsOf(two.b)).toEqual([]);
  });

  it('by a client on this machine waits too, with a ticket', async () => {
    await using two = await startTwo();
    await using before = await startBefore([two.a.url]);
    const busy = await occupy(two.a);
    const answer = await ask(before, '/api/chat', chat('m', 'short'));
    expect(answer.status).toBe(200);
    await busy.answer;
    expect(chatsOf(two.b)).toEqual([]);
    expect(chatsOf(two.a)).toHaveLength(2);
  });

  it('sees only what is held here', async () => {
    await using two = await startTwo();
    for (const headers of FROM_OLLANA) {
      const tags = await ask(two.a, '/api/tags', undefined, { headers: { ...headers } });
      expect(JSON.parse(tags.text).models).toHaveLength(2);
      const show = await ask(two.a, '/api/show', { model: 'only-b' }, { headers: { ...headers } });
      expect(show.status).toBe(404);
    }
    await using before = await startBefore([two.a.url]);
    const [known] = before.client.status().servers;
    expect([...(known?.models ?? [])].sort()).toEqual(['m:latest', 'only-a:latest']);
    expect((await ask(before, '/api/chat', chat('only-b', 'short'))).status).toBe(404);
    expect(chatsOf(two.b)).toEqual([]);
  });
});

it('goes round no circle when all GPUs are busy and all have apps of their own', async () => {
  await using three = await startMachines(['a', 'b', 'c']);
  const { machines } = three;
  const sent = machines.flatMap((machine) =>
    Array.from({ length: 5 }, () => send(machine, '/api/chat', chat('m', 'x')).answer),
  );
  const answers = await within(Promise.all(sent), 'all answers', 30_000);
  expect(answers.map(({ status, complete }) => [status, complete])).toEqual(Array(15).fill([200, true]));
  const run = machines.flatMap(chatsOf).filter(({ answered }) => answered);
  expect(run).toHaveLength(15);
  for (const { headers } of run) expect(headers.via?.split(',').length).toBeLessThanOrEqual(2);
  expect(machines.map(({ ollama }) => ollama.stats().maxActive)).toEqual([1, 1, 1]);
});

it('the status of a GPU machine shows the other servers, and which Ollama is its own', async () => {
  await using two = await startTwo();
  await two.a.ollama.stop();
  // An idle server is not looked at all the time; a request that fails there tells.
  await ask(two.a, '/api/chat', chat('m', 'short'), { headers: { ...FROM_OLLANA[0] } });
  const { ollama, servers } = two.a.daemon.status();
  expect(ollama).toMatchObject({ url: two.a.ollama.url, up: false });
  expect(servers).toMatchObject([
    { name: 'a', url: two.a.ollama.url, kind: 'ollama' },
    { name: 'b', url: two.b.url, kind: 'ollana', verdict: 'reliable', sources: ['udp'] },
  ]);
  expect(two.b.daemon.status().ollama).toMatchObject({ url: two.b.ollama.url, up: true });
});

it('a GPU machine alone passes everything on to its Ollama as it is', async () => {
  await using one = await startMachines(['a']);
  const [a] = one.machines as [Machine];
  for (const path of ['/', '/api/tags', '/api/ps', '/api/version', '/v1/models']) {
    const [through, straight] = [await ask(a, path), await ask(a.ollama, path)];
    expect(through.text).toBe(straight.text);
    expect(a.ollama.seen.filter((seen) => seen.path === path && seen.headers.via).length).toBeGreaterThan(0);
  }
});

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseRegistry } from '../src/config/values.ts';
import { registryOf } from '../src/ollama/names.ts';
import { LEAST_FREE_BYTES, ModelDisk, modelsDir } from '../src/server/model-disk.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { type Cluster, startCluster } from './_cluster.ts';
import { cleanEnvironment, startDaemon, temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { TestProcess } from './_process.ts';
import { ask } from './_simulate-client.ts';
import { skipBecause } from './_skip.ts';

/** An address of this machine that is not loopback: who comes from it is a peer. */
const OUTSIDE = Object.values(networkInterfaces())
  .flatMap((infos) => infos ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
const noOutside = OUTSIDE === undefined ? 'this machine has no address but loopback' : undefined;

async function start(allowRegistry: readonly string[] = []) {
  const cluster = await startCluster({
    serve: true,
    server: { host: '0.0.0.0', allow: new Set(['manage']), allowRegistry },
  });
  const here = cluster.servers[0]!;
  return { cluster, here, peer: { url: `http://${OUTSIDE}:${new URL(here.url).port}` } };
}

const reached = (cluster: Cluster, path: string) =>
  cluster.ollamas[0]!.seen.filter((one) => one.path === path).length;

describe('a peer that may manage models', () => {
  skipBecause(noOutside);

  it.each([
    { path: '/api/pull', body: { model: 'evil.example/x/y' } },
    { path: '/api/pull', body: { model: 'evil.example:5000/x/y:latest' } },
    { path: '/api/pull', body: { name: 'EVIL.example/x/y' } },
    { path: '/api/pull', body: { name: 'evil.example/x/y', model: '' } },
    { path: '/api/pull', body: { model: 'http://registry.ollama.ai/library/x', insecure: true } },
    { path: '/api/pull', body: '{"model":"x","MODEL":"evil.example/x/y"}' },
    { path: '/api/push', body: { model: 'evil.example/x/y' } },
    { path: '/api/create', body: { model: 'x', from: 'evil.example/x/y' } },
  ])('may not name another registry: $path $body', async ({ path, body }) => {
    const { cluster, peer, here } = await start();
    await using _ = cluster;
    const answer = await ask(peer, path, body);
    expect(answer).toMatchObject({ status: 403, headers: { 'x-ollana-error': 'OLLANA_NOT_ALLOWED' } });
    const { error } = JSON.parse(answer.text) as { error: string };
    expect(error).toMatch(/--allow-registry (http:\/\/registry\.ollama\.ai|evil\.example)/);
    expect(reached(cluster, path)).toBe(0);
    // This machine's own apps may.
    expect((await ask(here, path, body)).status).not.toBe(403);
    expect(reached(cluster, path)).toBe(1);
  });

  it.each([
    { allowed: [], model: 'simulated' },
    { allowed: [], model: 'user/simulated:7b' },
    { allowed: [], model: 'registry.ollama.ai/library/simulated' },
    { allowed: [], model: 'https://registry.ollama.ai/library/simulated' },
    { allowed: ['hf.co'], model: 'hf.co/user/model:Q4_K_M' },
    { allowed: ['registry.lan:5000'], model: 'Registry.lan:5000/x/y' },
    { allowed: ['http://registry.lan:5000'], model: 'http://registry.lan:5000/x/y' },
  ])('may pull $model where $allowed is allowed', async ({ allowed, model }) => {
    const { cluster, peer } = await start(allowed);
    await using _ = cluster;
    expect((await ask(peer, '/api/pull', { model })).status).not.toBe(403);
    expect(reached(cluster, '/api/pull')).toBe(1);
  });

  it('may not hide the name in a body that cannot be looked through', async () => {
    const { cluster, peer } = await start();
    await using _ = cluster;
    const many = Array.from({ length: 1001 }, (_, i) => `"k${i}":0`).join(',');
    const answer = await ask(peer, '/api/pull', `{${many},"model":"evil.example/x/y"}`);
    expect(answer.status).toBe(413);
    expect(reached(cluster, '/api/pull')).toBe(0);
  });
});

describe('a name of a registry', () => {
  it.each([
    ['llama3', 'registry.ollama.ai'],
    ['a/b', 'registry.ollama.ai'],
    ['hf.co/a/b:Q4', 'hf.co'],
    ['HTTP://R:5/a/b', 'http://r:5'],
    ['https://r:5/a/b', 'r:5'],
    ['a/b/c/d/e', 'a/b/c'],
    ['', 'registry.ollama.ai'],
  ])('is read: %j is of %s', (name, registry) => {
    expect(registryOf(name)).toBe(registry);
  });

  it('is an option’s value with or without a scheme', () => {
    expect(['hf.co', 'https://HF.co/', 'http://r.lan:5000', 'localhost:5000'].map(parseRegistry)).toEqual([
      'hf.co',
      'hf.co',
      'http://r.lan:5000',
      'localhost:5000',
    ]);
    for (const text of ['', '*', 'hf.co/user', 'r:99999', 'ftp://r', 'a b'])
      expect(() => parseRegistry(text)).toThrow(RangeError);
  });
});

describe('the disk of the models', () => {
  const env = (set: Record<string, string>, source: 'process' | 'service' = 'process') => ({
    variables: new Map(Object.entries(set)),
    source,
    complete: true,
  });

  it('is where Ollama’s environment says', () => {
    expect(modelsDir(env({ OLLAMA_MODELS: '/data/models', HOME: '/home/o' }), '/home/me')).toBe(
      '/data/models',
    );
    expect(modelsDir(env({ HOME: '/home/o' }), '/home/me')).toBe('/home/o/.ollama/models');
    expect(modelsDir(undefined, '/home/me')).toBe('/home/me/.ollama/models');
  });

  it('is not guessed where nobody says, nor where the system hides it', async () => {
    const free = (set: Record<string, string> | undefined) =>
      new ModelDisk({ url: 'http://127.0.0.1:11434', environment: () => set && env(set) }).freeBytes();
    expect(await free({ OLLAMA_MODELS: '/proc/models' })).toBeUndefined();
    if (!existsSync(join(homedir(), '.ollama'))) expect(await free(undefined)).toBeUndefined();
  });

  it('is looked for where it will be, and not asked about on other machines', async () => {
    const environment = () => env({ OLLAMA_MODELS: '/tmp/not/there/yet' });
    expect(await new ModelDisk({ url: 'http://127.0.0.1:11434', environment }).freeBytes()).toBeGreaterThan(
      0,
    );
    expect(await new ModelDisk({ url: 'http://10.1.2.3:11434', environment }).freeBytes()).toBeUndefined();
  });
});

describe('a pull that a peer asks for', () => {
  const shell = spawnSync('unshare', ['-m', 'true']);
  skipBecause(noOutside ?? (shell.status !== 0 ? 'mounting a small disk takes root' : undefined));

  it.each([
    { size: '64m', status: 507 },
    { size: `${Math.ceil(LEAST_FREE_BYTES / 1e6) + 100}m`, status: 200 },
  ])('on a disk of $size gets $status', { timeout: 60_000 }, async ({ size, status }) => {
    using folder = temporaryDirectory('disk');
    const home = join(folder.path, 'home');
    mkdirSync(home);
    const mount = `mount -t tmpfs -o size=${size} none ${home} && mkdir ${home}/.ollama`;
    await using ollama = await startSimulatedOllama();
    const face = ['--host', '0.0.0.0', '--port', '0', '--no-udp', '--no-mdns', '--log-level', 'error'];
    await using daemon = await startDaemon({
      args: ['serve', '--ollama', ollama.url, '--allow', 'manage', ...face],
      env: { HOME: home },
      launch: (command, args, set) =>
        new TestProcess('unshare', ['-m', 'sh', '-c', `${mount} && exec "$@"`, 'sh', command, ...args], {
          env: cleanEnvironment({ OLLANA_INTERFACE: 'lo', ...set }),
        }),
    });
    const peer = { url: `http://${OUTSIDE}:${daemon.port}` };
    await until(5000, 'Ollama to be found', async () => (await ask(daemon, '/api/version')).status === 200);
    const answer = await ask(peer, '/api/pull', { model: 'all-minilm' });
    expect(answer.status).toBe(status);
    expect(ollama.seen.some(({ path }) => path === '/api/pull')).toBe(status === 200);
    if (status === 200) return;
    expect(answer.headers['x-ollana-error']).toBe('OLLANA_DISK_FULL');
    expect(JSON.parse(answer.text).error).toMatch(/0\.1 GB are free .* `ollana rm MODEL`/);
    const blob = await ask(peer, `/api/blobs/sha256:${'0'.repeat(64)}`, 'x');
    expect(blob.status).toBe(507);
    expect((await ask(peer, '/api/chat', { model: 'simulated', messages: [] })).status).toBe(200);
    expect((await ask(daemon, '/api/pull', { model: 'all-minilm' })).status).toBe(200);
  });
});

import { chmodSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { OllamaParallel } from '../src/server/parallel.ts';
import { socketOwners } from '../src/server/socket-owner.ts';
import { ManualClock } from './_beacon.ts';
import { fasterClock } from './_cluster-config.ts';
import { deadUrl } from './_cluster-upstream.ts';
import { temporaryDirectory } from './_daemon.ts';
import { TestProcess } from './_process.ts';

const LISTENER = `require('net').createServer().listen(Number(process.argv[1]), '127.0.0.1', function () {
  console.log('port ' + this.address().port);
});`;

/** A program that listens as Ollama would, with these variables and no others of Ollama's. */
async function listening(variables: Record<string, string>, port = 0) {
  const env = Object.entries(process.env).filter(([name]) => !name.startsWith('OLLAMA_'));
  const child = new TestProcess(process.execPath, ['-e', LISTENER, String(port)], {
    env: { ...Object.fromEntries(env), ...variables },
  });
  onTestFinished(() => child[Symbol.asyncDispose]());
  const [, number] = await child.waitFor(/port (\d+)/);
  return { child, port: Number(number), url: `http://127.0.0.1:${number}` };
}

const finder = (url: string, given?: number, clock = systemClock) =>
  new OllamaParallel({ url, given, clock });

describe.runIf(process.platform === 'linux')('how many requests Ollama runs at once', () => {
  it('is in the environment of the process that listens there', async () => {
    const { url } = await listening({
      OLLAMA_NUM_PARALLEL: '3',
      OLLAMA_MAX_LOADED_MODELS: '2',
      OLLAMA_KEEP_ALIVE: '30m',
      OLLAMA_CONTEXT_LENGTH: '8192',
    });
    for (const at of [url, url.replace('127.0.0.1', 'localhost')])
      expect(await finder(at).cameBack('0.33.0')).toEqual({
        value: 3,
        source: 'process',
        maxLoadedModels: 2,
        keepAliveMs: 1_800_000,
        contextLength: 8192,
      });
  });

  it('is what the user said, and the rest is still looked up', async () => {
    const { url } = await listening({ OLLAMA_NUM_PARALLEL: '3', OLLAMA_KEEP_ALIVE: '60' });
    expect(await finder(url, 5).cameBack('0.33.0')).toEqual({
      value: 5,
      source: 'option',
      keepAliveMs: 60_000,
    });
  });

  it('is asked for again when Ollama comes back', async () => {
    const first = await listening({ OLLAMA_NUM_PARALLEL: '3' });
    const parallel = finder(first.url);
    expect((await parallel.cameBack('0.33.0')).value).toBe(3);
    await first.child.stop('SIGKILL');
    await listening({ OLLAMA_NUM_PARALLEL: '4' }, first.port);
    expect(parallel.known().value).toBe(3);
    expect((await parallel.cameBack('0.33.0')).value).toBe(4);
  });

  it('is unknown until the first look has ended, and old after a minute', async () => {
    const { child, url, port } = await listening({ OLLAMA_NUM_PARALLEL: '3' });
    const clock = new ManualClock();
    const parallel = finder(url, undefined, clock);
    expect(parallel.known()).toEqual({ value: 1, source: 'unknown' });
    expect((await parallel.cameBack('0.33.0')).value).toBe(3);
    await child.stop('SIGKILL');
    await listening({ OLLAMA_NUM_PARALLEL: '4' }, port);
    clock.advance(60_000);
    await expect.poll(() => parallel.known().value).toBe(4);
    expect(clock.pending).toBe(0);
  });

  it.each([
    ['a program that only passes the port on', async () => (await listening({})).url],
    ['a port where nobody listens', deadUrl],
    ['another machine', async () => 'http://192.0.2.1:11434'],
    ['a name that is not this machine’s', async () => 'https://gpu.example'],
  ])('is not told by %s', async (_who, url) => {
    expect(await finder(await url()).cameBack('0.33.0')).toEqual({ value: 1, source: 'unknown' });
  });

  it('is left as it is when it is no longer wanted', async () => {
    const { url } = await listening({ OLLAMA_NUM_PARALLEL: '3' });
    const parallel = finder(url);
    parallel[Symbol.dispose]();
    expect(await parallel.cameBack('0.33.0')).toEqual({ value: 1, source: 'unknown' });
  });
});

/** Puts a `systemctl` first on the path that runs this shell script; returns its folder. */
function systemctl(script: (folder: string) => string): string {
  const folder = temporaryDirectory('systemctl');
  const before = process.env.PATH;
  process.env.PATH = `${folder.path}${delimiter}${before}`;
  onTestFinished(() => {
    process.env.PATH = before;
    folder[Symbol.dispose]();
  });
  const file = join(folder.path, 'systemctl');
  writeFileSync(file, `#!/bin/sh\n${script(folder.path)}\n`);
  chmodSync(file, 0o755);
  return folder.path;
}

describe.runIf(process.platform === 'linux')('where the process is another user’s', () => {
  const unit = (url: string, more = '', state = 'active') =>
    `cat <<'END'\nEnvironment=OLLAMA_NUM_PARALLEL=3 OLLAMA_HOST=${new URL(url).host}\n${more}\nActiveState=${state}\nEND`;

  it('the service tells', async () => {
    const url = await deadUrl();
    systemctl(() => unit(url));
    expect(await finder(url).cameBack('0.33.0')).toEqual({ value: 3, source: 'service' });
  });

  it('the file that the service reads counts more', async () => {
    const url = await deadUrl();
    const folder = systemctl((path) => unit(url, `EnvironmentFiles=${path}/env (ignore_errors=no)`));
    writeFileSync(join(folder, 'env'), '# ours\nOLLAMA_NUM_PARALLEL="5"\nOLLAMA_KEEP_ALIVE=-1\n');
    expect(await finder(url).cameBack('0.33.0')).toEqual({
      value: 5,
      source: 'service',
      keepAliveMs: Number.POSITIVE_INFINITY,
    });
  });

  it.each<[string, (url: string) => string]>([
    ['does not run', (url) => unit(url, '', 'inactive')],
    ['listens elsewhere', () => unit('http://127.0.0.1:1')],
    ['reads a file that we cannot', (url) => unit(url, 'EnvironmentFiles=/nonexistent (ignore_errors=no)')],
    ['is unknown', () => 'echo Unit not found; exit 4'],
    ['is not told in time', () => 'exec sleep 60'],
  ])('a service that %s tells nothing', async (_what, script) => {
    const url = await deadUrl();
    systemctl(() => script(url));
    const found = await finder(url, undefined, fasterClock(6)).cameBack('0.33.0');
    expect(found).toEqual({ value: 1, source: 'unknown' });
  });

  it('a file that need not be there may be missing', async () => {
    const url = await deadUrl();
    systemctl(() => unit(url, 'EnvironmentFiles=/nonexistent (ignore_errors=yes)'));
    expect((await finder(url).cameBack('0.33.0')).value).toBe(3);
  });
});

describe.runIf(process.platform === 'linux')('the owners of a port', () => {
  it('are those that listen, by program and pid', async () => {
    const { child, port } = await listening({});
    const owners = [];
    for await (const owner of socketOwners(port)) owners.push(owner);
    expect(owners).toEqual([{ pid: child.pid, program: 'node' }]);
  });

  it('are not looked for when nobody wants to know any more', async () => {
    const { port } = await listening({});
    for await (const owner of socketOwners(port, AbortSignal.abort())) expect(owner).toBeUndefined();
  });
});

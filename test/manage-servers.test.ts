import { mkdirSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type SimulatedOllama, startSimulatedOllama } from '../src/simulate/ollama.ts';
import { startBefore, startCluster } from './_cluster.ts';
import { cleanEnvironment, startDaemon, temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { TestProcess } from './_process.ts';
import { ask, asked } from './_simulate-client.ts';
import { skipBecause } from './_skip.ts';

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

/** An address of this machine that is not loopback: who comes from it is a peer. */
const OUTSIDE = Object.values(networkInterfaces())
  .flatMap((infos) => infos ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

const has = (one: SimulatedOllama, name: string) =>
  one.models.list().some((model) => model.name === `${name}:latest`);

/** Server mode as a process of its own, on a machine whose NVIDIA tool says that `freeMib` are free. */
async function startMachine(tools: string, freeMib: number, allow: readonly string[]) {
  mkdirSync(tools);
  writeFileSync(
    join(tools, 'nvidia-smi'),
    `#!/bin/sh\necho NVIDIA Test, 98304, ${freeMib}, 0, 40, 20.5, 300\n`,
    { mode: 0o755 },
  );
  const ollama = await startSimulatedOllama();
  const face = ['--host', '0.0.0.0', '--port', '0', '--no-udp', '--no-mdns', '--log-level', 'error'];
  const daemon = await startDaemon({
    args: ['serve', '--ollama', ollama.url, ...face, ...allow],
    env: { PATH: `${tools}${delimiter}${process.env.PATH}` },
    startMs: 20_000,
    launch: (command, [_built, ...rest], env) =>
      new TestProcess(command, ['--import', 'tsx', CLI, ...rest], { env: cleanEnvironment(env) }),
  });
  // The first answer does not tell it: the tool is asked beside that.
  await until(5000, 'its memory to be told', async () => {
    const { headers } = await ask(daemon, '/api/version');
    return headers['x-ollana-free-memory'] === String(freeMib * 1024 * 1024);
  });
  const end = async () => {
    await daemon[Symbol.asyncDispose]();
    await ollama[Symbol.asyncDispose]();
  };
  return { ollama, url: `http://${OUTSIDE}:${daemon.port}`, [Symbol.asyncDispose]: end };
}

describe('a pull', () => {
  skipBecause(
    OUTSIDE === undefined
      ? 'this machine has no address but loopback'
      : process.platform === 'win32'
        ? 'a shell script stands in for nvidia-smi'
        : undefined,
  );

  it('goes to the machine with the most free memory among those that allow it', {
    timeout: 60_000,
  }, async () => {
    using folder = temporaryDirectory('machines');
    const allow = ['--allow', 'manage'];
    await using little = await startMachine(join(folder.path, 'little'), 1000, allow);
    await using shut = await startMachine(join(folder.path, 'shut'), 90_000, []);
    await using much = await startMachine(join(folder.path, 'much'), 30_000, allow);
    const machines = { little, shut, much };
    await using before = await startBefore(
      Object.entries(machines).map(([name, { url }]) => `${url}=${name}`),
    );

    const answer = await ask(before, '/api/pull', { model: 'pulled', stream: false });
    expect(answer).toMatchObject({ status: 200, text: '{"status":"success"}' });
    expect(answer.headers).toMatchObject({
      'x-ollana-server': 'much',
      'x-ollana-reason': 'most free memory',
    });
    expect(Object.values(machines).map(({ ollama }) => has(ollama, 'pulled'))).toEqual([false, false, true]);

    // Whoever names a machine that does not allow it is told what its owner can do.
    const refused = await ask(before, '/api/pull?server=shut', { model: 'pulled' });
    expect(refused.status).toBe(403);
    expect(JSON.parse(refused.text).error).toContain('--allow manage');
    expect(asked(shut.ollama, '/api/pull')).toBe(0);
  });
});

describe('a push', () => {
  const TWO = [{ models: [{ name: 'only-a' }] }, { models: [{ name: 'only-b' }] }];

  it.each(['only-a', 'only-b'])('of %s goes to its holder', async (model) => {
    await using cluster = await startCluster({ ollamas: TWO });
    const answer = await ask(cluster, '/api/push', { model, stream: false });
    expect(answer).toMatchObject({ status: 200, text: '{"status":"success"}' });
    expect(answer.headers['x-ollana-server']).toBe(model.slice(-1));
    const [a, b] = cluster.ollamas.map((one) => asked(one, '/api/push'));
    expect([a, b]).toEqual(model === 'only-a' ? [1, 0] : [0, 1]);
  });

  it.each([{}, { stream: false }])(
    'of a model that nobody has gets Ollama’s own error, once %j',
    async (more) => {
      await using cluster = await startCluster({ ollamas: TWO });
      const body = { model: 'nobody/has-this', ...more };
      const wanted = await ask(cluster.ollamas[0]!, '/api/push', body);
      const answer = await ask(cluster, '/api/push', body);
      expect(wanted.status).toBe(500);
      expect(answer).toMatchObject({ status: wanted.status, text: wanted.text });
      expect(answer.headers['content-type']).toBe(wanted.headers['content-type']);
      // One of them was asked by this test itself.
      expect(cluster.ollamas.reduce((sum, one) => sum + asked(one, '/api/push'), 0)).toBe(2);
      for (const i of [0, 1]) expect(cluster.view(i)).toMatchObject({ verdict: 'reliable' });
    },
  );
});

it('an unload right after a pull reaches the copy that was just made', async () => {
  const models = [{ name: 'both' }];
  await using cluster = await startCluster({ ollamas: [{ models }, {}], loaded: ['both'] });
  const [a, b] = cluster.ollamas;
  expect(await ask(cluster, '/api/pull?server=b', { model: 'both', stream: false })).toMatchObject({
    status: 200,
  });
  await b!.load('both');
  expect(await ask(cluster, '/api/generate', { model: 'both', keep_alive: 0 })).toMatchObject({
    status: 200,
  });
  expect([a, b].map((one) => one!.models.loaded())).toEqual([[], []]);
});

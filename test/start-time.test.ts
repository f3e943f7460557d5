import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { CLI, cleanEnvironment, temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { freePort } from './_ports.ts';
import { TestProcess } from './_process.ts';

/** What a person does not notice. Best of so many: others use the machine as well. */
const LIMIT_MS = 400;
const STARTS = 20;

/** Milliseconds from the start of the process until its port takes a connection; the first start also makes its key. */
async function startMs(args: readonly string[], dataDir: string): Promise<number> {
  const port = await freePort();
  const options = ['--data-dir', dataDir, '--port', String(port), '--no-mdns', '--no-udp'];
  const begun = performance.now();
  await using _ = new TestProcess(process.execPath, [CLI, ...args, ...options], {
    env: cleanEnvironment({ OLLANA_INTERFACE: 'lo' }),
  });
  await until(20_000, 'it to listen', () => takesConnections(port), 5);
  return performance.now() - begun;
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (taken: boolean) => {
      socket.destroy();
      resolve(taken);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

it.each([
  ['ollana', []],
  ['ollana serve', ['serve']],
])('%s listens within 400 ms of its start', { timeout: 60_000 }, async (name, args) => {
  using folder = temporaryDirectory('start-time');
  const first = await startMs(args, folder.path);
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < STARTS && best >= LIMIT_MS; i += 1)
    best = Math.min(best, await startMs(args, folder.path));
  process.stdout.write(
    `${name} listens after ${best.toFixed(0)} ms, the very first time after ${first.toFixed(0)} ms\n`,
  );
  expect(best).toBeLessThan(LIMIT_MS);
});

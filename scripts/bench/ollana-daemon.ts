import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.ts';
import type { BenchConfig } from './config.ts';
import { profileArgs } from './contender.ts';

/** A running ollana, that knows the models of its server. */
export interface OllanaDaemon extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

/** How long an ollana may take until it knows what its server holds, ms. */
const READY_MS = 15_000;

/**
 * Starts `ollana ARGS` with a data directory of its own and no discovery, and waits until it knows its server's models.
 * `environment` is added to this process's own. Rejects when it ends before or takes too long.
 */
export async function startOllana(
  name: string,
  args: readonly string[],
  config: BenchConfig,
  environment: Readonly<Record<string, string>> = {},
): Promise<OllanaDaemon> {
  const dataDir = mkdtempSync(join(tmpdir(), 'ollana-bench-'));
  const tidy = () => rmSync(dataDir, { recursive: true, force: true });
  process.once('exit', tidy);
  const port = await freePort();
  const child = new Child(
    [
      ...profileArgs(config, name),
      join(config.dist, 'cli.js'),
      ...args,
      ...['--host', '127.0.0.1', '--port', String(port), '--data-dir', dataDir, '--log-level', 'warn'],
      ...['--no-udp', '--no-mdns'],
    ],
    { OLLANA_INTERFACE: 'lo', NODE_ENV: 'production', ...environment },
  );
  const daemon: OllanaDaemon = {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    [Symbol.asyncDispose]: async () => {
      await child[Symbol.asyncDispose]();
      process.removeListener('exit', tidy);
      tidy();
    },
  };
  try {
    await knowsModels(daemon.url, child);
    return daemon;
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
}

async function knowsModels(url: string, child: Child): Promise<void> {
  for (let waited = 0; waited < READY_MS && !child.ended; waited += 100) {
    const status = await fetch(`${url}/ollana/api/status`)
      .then((answer) => answer.json() as Promise<{ servers?: { models?: unknown[] }[] }>)
      .catch(() => undefined);
    if (status?.servers?.some(({ models }) => models?.length)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(child.ended ? 'ollana ended at once' : `ollana found no model within ${READY_MS / 1000} s`);
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** Resolves when the process has ended; rejects after 15 s. */
  readonly ended: Promise<Ended>;
}

/** A directory that is gone after the test. */
export function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'ollana-cli-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Starts the real command line from its sources, with nothing of this session's ollana or Ollama settings. */
export function startCli(args: readonly string[], env: Record<string, string> = {}): Running {
  const inherited = Object.entries(process.env).filter(
    ([key]) => !/^(OLLANA|OLLAMA|XDG|OTEL)_|_DIRECTORY$/.test(key),
  );
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli.ts', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Nor the user's own config.toml.
    env: { ...Object.fromEntries(inherited), XDG_CONFIG_HOME: '/nonexistent', ...env },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return { child, ended: collect(child) };
}

/** Runs the real command line to its end. */
export const cli = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
  startCli(args, env).ended;

async function collect(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, 'close', { signal: AbortSignal.timeout(15_000) });
  return { code, stdout, stderr };
}

/** Resolves when `done` holds; rejects after 10 s. For what has no event: another process's files and death. */
export async function until(what: string, done: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(`waited 10 s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './_deadline.ts';
import { TestProcess } from './_process.ts';

/** The built command line, as users run it; `npm test` builds it first. */
export const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

/** The caller's environment without its ollana and Ollama settings: a test sees only what it sets itself. */
export function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([key]) => !/^(OLLANA|OLLAMA|OTEL)_/.test(key));
  return { ...Object.fromEntries(kept), XDG_CONFIG_HOME: '/nonexistent', ...extra };
}

/** A directory that is removed on disposal. */
export function temporaryDirectory(name: string): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), `ollana-${name}-`));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export interface DaemonOptions {
  /** What comes after `ollana`; `--data-dir` is added unless it is there. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Starts the process; a LAN test starts it inside a host. Default: on this machine, discovery on loopback. */
  readonly launch?: (
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
  ) => TestProcess;
  /** Milliseconds that the start may take. */
  readonly startMs?: number;
}

export interface Daemon extends AsyncDisposable {
  readonly process: TestProcess;
  readonly port: number;
  readonly url: string;
  readonly dataDir: string;
  /** Signals the daemon and waits for its end; its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts `ollana ARGS` from the build as a child process; resolves once it listens and has said where. */
export async function startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  if (!existsSync(CLI)) throw new Error(`${CLI} is missing: run \`npm run build\` first`);
  const folder = temporaryDirectory('daemon');
  const { args = [], env = {}, startMs = 10_000 } = options;
  const given = args.indexOf('--data-dir');
  const dataDir = (given >= 0 && args[given + 1]) || folder.path;
  const command = [CLI, ...args, ...(given >= 0 ? [] : ['--data-dir', dataDir])];
  const child =
    options.launch?.(process.execPath, command, env) ??
    new TestProcess(process.execPath, command, { env: cleanEnvironment({ OLLANA_INTERFACE: 'lo', ...env }) });
  const dispose = async () => {
    await child[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  };
  try {
    const state = join(dataDir, `${args[0] === 'serve' ? 'server' : 'client'}.json`);
    const ended = child.exited.then(({ code, signal }) => {
      throw new Error(`ollana ${args.join(' ')} ended with ${code ?? signal}:\n${child.output.slice(-4000)}`);
    });
    const url = await Promise.race([
      until(startMs, `${state} of the daemon`, () => urlIn(state, child.pid)),
      ended,
    ]);
    return {
      process: child,
      port: Number(new URL(url).port),
      url,
      dataDir,
      stop: async (signal) => (await child.stop(signal)).code,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** The address that a daemon of this process id has left in its state file. */
function urlIn(file: string, pid: number): string | undefined {
  const state = JSON.parse(readFileSync(file, 'utf8')) as { pid?: number; url?: string };
  return state.pid === pid ? state.url : undefined;
}

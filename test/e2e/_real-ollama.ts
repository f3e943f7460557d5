import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { temporaryDirectory } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import { type LabHost, labAvailable } from '../lan/_lab.ts';

/** Where `.ci/run` leaves what it built, and where a checkout may keep its own. */
const CACHES = [join(import.meta.dirname, '..', '..', '.cache'), join(homedir(), '.cache', 'ollana-ci')];

function find(variable: string, file: string): string | undefined {
  const given = process.env[variable];
  return [...(given === undefined ? [] : [resolve(given)]), ...CACHES.map((cache) => join(cache, file))].find(
    (path) => existsSync(path),
  );
}

const realBinary = () => find('OLLANA_REAL_OLLAMA', 'ollama-v0.17.4/ollama');
const realModel = () => find('OLLANA_REAL_MODEL', 'SmolLM2-135M-Instruct.Q4_1.gguf');

/** Why there is no end-to-end test with the real Ollama here, or `undefined` when there can be. */
export function realOllamaUnavailable(): string | undefined {
  if (labAvailable() !== undefined) return labAvailable();
  if (realBinary() === undefined || realModel() === undefined)
    return 'the real Ollama and a model are not here (bash .ci/run builds them, or set OLLANA_REAL_OLLAMA and OLLANA_REAL_MODEL)';
  return undefined;
}

/** Path of the small model's GGUF file; throws where `realOllamaUnavailable()` names a reason. */
export function modelFile(): string {
  const file = realModel();
  if (file === undefined) throw new Error(realOllamaUnavailable());
  return file;
}

/** Path of the stock `ollama` command; throws where `realOllamaUnavailable()` names a reason. */
export function ollamaBinary(): string {
  const binary = realBinary();
  if (binary === undefined) throw new Error(realOllamaUnavailable());
  return binary;
}

/**
 * Short answers, the same every time. One thread: Ollama's threads wait for each other by spinning, which on a
 * machine with fewer free cores than threads takes a hundred times as long.
 */
const PARAMETERS =
  'PARAMETER num_predict 24\nPARAMETER temperature 0\nPARAMETER seed 1\nPARAMETER num_thread 1\n';

export interface RealOllamaOptions {
  /** Lines of the Modelfile after FROM; without it, short answers of 24 tokens on one thread. */
  readonly parameters?: string;
  /** Added to the server's environment. Its working directory is its HOME. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface RealOllama extends AsyncDisposable {
  readonly process: TestProcess;
  /** What the server and the command beside it run with; its HOME is writable and goes with the server. */
  readonly env: Readonly<Record<string, string>> & { readonly HOME: string };
  /** The `ollama` command beside this server. */
  cli(...args: string[]): Promise<{ stdout: string; stderr: string; code: number | null }>;
}

/**
 * Starts the real Ollama on 127.0.0.1:11434 of a lab host with one small model `smol` (and `models` as further
 * names of it), everything it writes in a directory that goes with it. Takes about a second.
 */
export async function startRealOllama(
  host: LabHost,
  models: readonly string[] = ['smol'],
  options: RealOllamaOptions = {},
): Promise<RealOllama> {
  const folder = temporaryDirectory('real-ollama');
  const env = {
    HOME: folder.path,
    OLLAMA_MODELS: join(folder.path, 'models'),
    OLLAMA_HOST: '127.0.0.1:11434',
    ...options.env,
  };
  // Entering a host's mount namespace forgets the working directory, so it is set inside.
  const command = ['-c', 'cd "$HOME" && exec "$0" serve', ollamaBinary()];
  const server = host.spawn('sh', command, { env });
  const started: RealOllama = {
    process: server,
    env,
    cli: (...args) => host.exec(ollamaBinary(), args, { env, timeoutMs: 60_000 }),
    async [Symbol.asyncDispose]() {
      await server.stop('SIGTERM').catch(() => {}); // Killed when it would not end: it holds nothing of worth.
      folder[Symbol.dispose]();
    },
  };
  try {
    await until(20_000, 'the real Ollama answers', async () => {
      return (await host.http('http://127.0.0.1:11434/api/version')).status === 200;
    });
    const modelfile = join(folder.path, 'Modelfile');
    writeFileSync(modelfile, `FROM ${realModel()}\n${options.parameters ?? PARAMETERS}`);
    for (const model of models) {
      const created = await started.cli('create', model, '-f', modelfile);
      if (created.code !== 0) throw new Error(`ollama create ${model}: ${created.stderr}`);
    }
    age(join(env.OLLAMA_MODELS, 'manifests'));
    return started;
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Makes the models of this folder an hour old and a minute apart, in the order in which they came: Ollama lists those of
 * one second in any order (`ListHandler` in server/routes.go), another one each time.
 */
function age(manifests: string): void {
  if (!existsSync(manifests)) return;
  const files = readdirSync(manifests, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name))
    .sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs);
  const oldest = Date.now() / 1000 - 3600;
  for (const [i, file] of files.entries()) utimesSync(file, oldest + 60 * i, oldest + 60 * i);
}

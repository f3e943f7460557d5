import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import type { Surroundings } from '../config/surroundings.ts';
import type { ModelReport } from '../daemon/model-report.ts';
import { modelKey } from '../ollama/names.ts';
import { type CommandedDaemon, readReport, theDaemon } from './daemon-request.ts';
import { appVariables } from './env-values.ts';
import { plainText } from './text.ts';
import { type SpawnCall, windowsCall } from './windows-command.ts';

/** What a shell ends with for a program that is not there, and for one that it may not run. */
const NOT_FOUND = 127;
const NOT_RUNNABLE = 126;

/** What is passed on; whatever else a terminal sends, it sends to both. */
const PASSED = ['SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;

/**
 * Runs one program with what leads it to the running ollana of a data directory: its streams are ours, signals reach it,
 * and its exit code is returned (128 and the signal's number where one ended it; 127 where there is no such program).
 * Throws OLLANA_NOT_RUNNING.
 */
export async function runProgram(
  dataDir: string,
  { env, platform }: Pick<Surroundings, 'env' | 'platform'>,
  program: readonly string[],
): Promise<number> {
  const daemon = theDaemon(dataDir);
  const [name = '', ...args] = program;
  const call: SpawnCall | undefined =
    platform === 'win32' ? windowsCall(program, env, existsSync) : { file: name, args, isVerbatim: false };
  const ended = call && (await spawned(call, { ...env, ...appVariables(daemon.url, env) }));
  if (typeof ended === 'number') return ended;
  const isMissing = ended === undefined || ended.code === 'ENOENT';
  const text = isMissing
    ? await missing(name, daemon)
    : `cannot run ${name} (${ended.code ?? ended.message})`;
  process.stderr.write(`ollana: ${plainText(text)}\n`);
  return isMissing ? NOT_FOUND : NOT_RUNNABLE;
}

/** The exit code, or why the program could not be started. */
function spawned(
  { file, args, isVerbatim }: SpawnCall,
  env: Readonly<Record<string, string | undefined>>,
): Promise<number | NodeJS.ErrnoException> {
  return new Promise((resolve) => {
    let child: ChildProcess | undefined;
    // Before the program starts: its first words may bring a signal, which would end us and leave the program behind.
    const forget = passSignals((signal) => void child?.kill(signal));
    try {
      child = spawn(file, args, { stdio: 'inherit', env, windowsVerbatimArguments: isVerbatim });
    } catch (error) {
      forget();
      return resolve(error as NodeJS.ErrnoException); // A name that no system takes.
    }
    child.once('error', (error) => {
      forget();
      resolve(error);
    });
    child.once('exit', (code, signal) => {
      forget();
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

function passSignals(pass: (signal: NodeJS.Signals) => void): () => void {
  // A Ctrl-C at a terminal reaches the program by itself; a second one would make many an app drop everything.
  const onInterrupt = (signal: NodeJS.Signals) => {
    if (process.stdin.isTTY !== true) pass(signal);
  };
  for (const signal of PASSED) process.on(signal, pass);
  process.on('SIGINT', onInterrupt);
  return () => {
    for (const signal of PASSED) process.off(signal, pass);
    process.off('SIGINT', onInterrupt);
  };
}

/** The stock `ollama run` is about models: whoever types that here means one, if there is one of this name. */
async function missing(name: string, daemon: CommandedDaemon): Promise<string> {
  const what = `there is no program ${name}`;
  if (/[\\/]/.test(name)) return `${what}: correct the path`;
  const key = modelKey(name);
  const isModel = await readReport<ModelReport>(daemon, '/ollana/api/models', ({ models }) =>
    Array.isArray(models),
  )
    .then(({ models }) => models.some((one) => modelKey(one.name) === key))
    .catch(() => false);
  return isModel
    ? `${what}, but a model: \`ollana run\` runs programs; type \`ollana run ollama run ${name}\`, or \`OLLAMA_HOST=${daemon.url} ollama run ${name}\``
    : `${what} on the PATH: install it, or give its path`;
}

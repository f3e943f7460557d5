import { resolve } from 'node:path';
import { runCommand } from 'citty';
import { readConfigFile } from '../config/file.ts';
import type { ConfigFile } from '../config/file-values.ts';
import type { Command } from '../config/option.ts';
import { OPTIONS } from '../config/options.ts';
import { defaultDataDir } from '../config/paths.ts';
import { type Flags, pick, pickGiven, pickList } from '../config/pick.ts';
import { type Surroundings, surroundings } from '../config/surroundings.ts';
import { VERSION } from '../config/version.ts';
import { resolveConfig, resolveDataDir } from '../config.ts';
import { isInBackground } from '../daemon/background.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { type FlagsRead, findCommand, readFlags } from './argv.ts';
import { commandTree } from './commands.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { helpPage } from './help.ts';
import { readerOf, readingOf } from './reading.ts';
import { plainText } from './text.ts';

/**
 * Runs one command line to its end and returns the exit code; never throws. A failure is one line on stderr:
 * what happened and what to do.
 */
export async function main(argv: readonly string[]): Promise<number> {
  // A reader that has gone (`| head`) or a terminal that was closed is no failure of ours.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  // Tells `ps`, and the ollana that finds our pid in a file, what runs here.
  process.title = ['ollana', ...argv].join(' ');
  const here = surroundings();
  let exitCode: number = EXIT.ok;
  try {
    const { command, args } = findCommand(argv);
    const tree = commandTree(async (name, rawArgs) => {
      exitCode = await carryOut(name, rawArgs, here);
    });
    // Always by name: citty looks for a command by skipping flags whose values it does not know at the root.
    await runCommand(tree, { rawArgs: [command, ...args] });
    return exitCode;
  } catch (error) {
    process.stderr.write(failureText(error, wantsDebug(argv, here)));
    return error instanceof OllanaError ? exitCodeOf(error.code) : EXIT.failed;
  }
}

async function carryOut(command: Command, args: readonly string[], here: Surroundings): Promise<number> {
  const read = readFlags(command, args);
  const { flags, wants, words = [] } = read;
  if (wants) {
    process.stdout.write(wants === 'help' ? helpPage(command) : `${VERSION}\n`);
    return EXIT.ok;
  }
  if (command === 'completion') return (await import('./completion.ts')).printCompletion(words);
  if (command === 'port') return (await import('./port.ts')).portAction(words, here);
  const told = { ...here, flags };
  if (command === 'config')
    return (await import('./config.ts')).configAction(told, words, pick(OPTIONS.json, told));
  if (command === 'doctor') {
    const bundle = pickGiven(OPTIONS.bundle, told);
    const order = { json: pick(OPTIONS.json, told), bundle: bundle && resolve(here.cwd, bundle) };
    return (await import('./doctor/doctor.ts')).doctor(told, order);
  }
  if (command === 'update') return (await import('./update/update.ts')).updateAction(told);
  if (command === 'service') return (await import('./service/service.ts')).serviceAction(words, told);
  // Mistakes of a file are for `config check`, and for those that would start with them.
  return withFile(
    { command, args, flags, read },
    command === 'demo' ? here : { ...here, file: readConfigFile(told) },
  );
}

/** What was typed, for one command. */
interface Typed {
  readonly command: Command;
  readonly args: readonly string[];
  readonly flags: Flags;
  readonly read: FlagsRead;
}

/** The surroundings and what the file sets, which counts after the variables there. */
type Here = Surroundings & { readonly file?: ConfigFile | undefined };

async function withFile({ command, args, flags, read }: Typed, here: Here): Promise<number> {
  const { model, server, words = [], program = [] } = read;
  // Each loaded on demand: `--help` and `status` answer at once, without the daemon's libraries.
  if (command === 'status')
    return (await import('./status.ts')).printStatus(
      resolveDataDir({ ...here, flags }),
      pick(OPTIONS.json, { ...here, flags }),
      pick(OPTIONS.wide, { ...here, flags }),
    );
  if (command === 'top')
    return (await import('./top/top.ts')).showTop(resolveDataDir({ ...here, flags }), here.env);
  if (command === 'health')
    return (await import('./health.ts')).printHealth({
      dataDir: resolveDataDir({ ...here, flags }),
      json: pick(OPTIONS.json, { ...here, flags }),
      watch: pick(OPTIONS.watch, { ...here, flags }),
    });
  if (command === 'models')
    return (await import('./models.ts')).printModels(
      resolveDataDir({ ...here, flags }),
      pick(OPTIONS.json, { ...here, flags }),
    );
  // Read without complaint, such a command has its model.
  if (command === 'pull' || command === 'rm' || command === 'unload')
    return manage(command, model ?? '', flags, here);
  if (command === 'add')
    return (await import('./add.ts')).addServer({
      dataDir: resolveDataDir({ ...here, flags }),
      server: server ?? '',
      keep: pick(OPTIONS.keep, { ...here, flags }),
    });
  if (command === 'remove')
    return (await import('./remove.ts')).removeServer({
      dataDir: resolveDataDir({ ...here, flags }),
      server: server ?? '',
    });
  if (command === 'key') return key(words, flags, here);
  if (command === 'device') return device(words, flags, here);
  if (command === 'logs' || command === 'why' || command === 'usage')
    return lookBack(command, words, flags, here);
  if (command === 'discover') return discover(flags, here);
  if (command === 'benchmark')
    return (await import('./benchmark/benchmark.ts')).benchmarkAction(words, { ...here, flags });
  if (command === 'demo') return demo(flags, here);
  if (command === 'reload')
    return (await import('./reload.ts')).reloadDaemons(
      resolveDataDir({ ...here, flags }),
      pick(OPTIONS.json, { ...here, flags }),
    );
  if (command === 'env')
    return (await import('./env.ts')).printEnv(
      resolveDataDir({ ...here, flags }),
      here,
      pickGiven(OPTIONS.shell, { ...here, flags }),
    );
  if (command === 'run')
    return (await import('./run.ts')).runProgram(resolveDataDir({ ...here, flags }), here, program);
  const mode = command === 'serve' ? 'server' : 'client';
  const told = { ...here, flags };
  const start = readingOf(mode, told);
  const { config } = start;
  // The detached process may be told to detach too, by OLLANA_DAEMON: it never does, or it would for ever.
  if (!config.background || isInBackground(here.env))
    return (await import('./run-daemon.ts')).runDaemon(start, here, readerOf(mode, told));
  return (await import('./detach.ts')).detach(config, {
    command: mode === 'server' ? 'serve' : 'client',
    args,
    env: here.env,
  });
}

/** The commands about one model. */
async function manage(
  command: 'pull' | 'rm' | 'unload',
  model: string,
  flags: Flags,
  here: Here,
): Promise<number> {
  const sources = { ...here, flags };
  const order = { dataDir: resolveDataDir(sources), model, on: pickGiven(OPTIONS.on, sources) };
  if (command === 'rm') return (await import('./rm.ts')).removeModel(order);
  if (command === 'unload') return (await import('./unload.ts')).unloadModel(order);
  const all = pick(OPTIONS.all, sources);
  if (all && order.on !== undefined)
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      '--on names one server and --all means every one: give one of them',
    );
  return (await import('./pull.ts')).pullModel({ ...order, all });
}

/** `key ACTION`. */
async function key(words: readonly string[], flags: Flags, here: Here): Promise<number> {
  const sources = { ...here, flags };
  const order = {
    dataDir: resolveDataDir(sources),
    json: pick(OPTIONS.json, sources),
    models: pickList(OPTIONS.models, sources),
    rate: pickGiven(OPTIONS.rate, sources),
  };
  return (await import('./key.ts')).keyAction(order, words);
}

/** `device ACTION`. */
async function device(words: readonly string[], flags: Flags, here: Here): Promise<number> {
  const sources = { ...here, flags };
  const { dataDir, name } = resolveConfig({ ...here, mode: 'client', flags });
  const [manage, readOnly] = [pick(OPTIONS.manage, sources), pick(OPTIONS.readOnly, sources)];
  if (manage && readOnly)
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      '--manage and --read-only do not go together: give one of them',
    );
  const order = { dataDir, name, json: pick(OPTIONS.json, sources), manage, readOnly };
  return (await import('./device-action.ts')).deviceAction(order, words);
}

/** The commands about requests that have ended. */
async function lookBack(
  command: 'logs' | 'why' | 'usage',
  words: readonly string[],
  flags: Flags,
  here: Here,
): Promise<number> {
  const sources = { ...here, flags };
  const asked = { dataDir: resolveDataDir(sources), json: pick(OPTIONS.json, sources) };
  const since = pickGiven(OPTIONS.since, sources);
  // OLLANA_SERVER names the servers of a daemon: whose requests are shown is only what was typed.
  const typed = { flags, env: {} };
  if (command === 'why') return (await import('./why.ts')).printWhy(asked, words);
  if (command === 'usage')
    return (await import('./usage.ts')).printUsage({
      ...asked,
      since,
      by: pick(OPTIONS.by, sources),
      csv: pick(OPTIONS.csv, sources),
    });
  return (await import('./logs.ts')).printLogs({
    ...asked,
    since,
    follow: pick(OPTIONS.follow, sources),
    model: pickGiven(OPTIONS.onlyModel, typed),
    server: pickGiven(OPTIONS.onlyServer, typed),
    status: pickGiven(OPTIONS.onlyStatus, typed),
  });
}

async function discover(flags: Flags, here: Here): Promise<number> {
  const sources = { ...here, flags };
  // It keeps no files, so that it needs no directory for them; what is in one tells which servers may be used.
  const dataDir = pickGiven(OPTIONS.dataDir, sources) ?? defaultDataDir(here);
  const config = resolveConfig({
    ...here,
    mode: 'client',
    flags: { ...flags, [OPTIONS.dataDir.flag]: here.cwd },
  });
  return (await import('./discover.ts')).discover({
    config,
    dataDir: dataDir === undefined ? undefined : resolve(here.cwd, dataDir),
    seconds: pickGiven(OPTIONS.seconds, sources),
    watch: pick(OPTIONS.watch, sources),
    json: pick(OPTIONS.json, sources),
    explain: pick(OPTIONS.explain, sources),
  });
}

async function demo(flags: Flags, here: Surroundings): Promise<number> {
  // The variables of a daemon's environment do not turn a demonstration into one, and its servers are paired with
  // nobody.
  // The demo tells its story itself; the log is for what goes wrong.
  const quiet = here.env[OPTIONS.logLevel.env] === undefined ? { [OPTIONS.logLevel.flag]: 'warn' } : {};
  const config = resolveConfig({
    ...here,
    mode: 'client',
    flags: { ...quiet, ...flags, [OPTIONS.background.flag]: false, [OPTIONS.requirePairing.flag]: false },
  });
  const { openDaemonLog } = await import('./run-daemon.ts');
  const log = openDaemonLog(config);
  const { runDemo } = await import('./demo.ts');
  try {
    return await runDemo(config, log);
  } finally {
    log.flush();
  }
}

/** One line; for whoever debugs, the stack after it. */
function failureText(error: unknown, debug: boolean): string {
  const known = error instanceof OllanaError;
  const hint = known || debug ? '' : '; --log-level debug shows where';
  const line = `ollana: ${known ? '' : 'unexpected failure: '}${plainText(reasonOf(error))}${hint}\n`;
  return debug && error instanceof Error ? `${line}${error.stack}\n` : line;
}

/** Asked of the raw arguments: the failure may be that they make no sense. */
function wantsDebug(argv: readonly string[], { env }: Surroundings): boolean {
  const at = argv.indexOf('--log-level');
  const isDebug = (text = '') => /^debug(,|$)/.test(text);
  const flag =
    argv.some((one) => isDebug(/^--log-level=(.*)$/.exec(one)?.[1])) || (at >= 0 && isDebug(argv[at + 1]));
  return flag || isDebug(env.OLLANA_LOG_LEVEL);
}

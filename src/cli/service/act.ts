import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { OllanaError, reasonOf } from '../../errors.ts';
import { EXIT } from '../exit-codes.ts';
import { plainText } from '../text.ts';
import { MARK } from './mark.ts';
import type { Call, ServicePlan } from './plan.ts';
import type { ServiceAction } from './service.ts';

/** A service that ends its requests first takes its time, ms. */
const LIMIT_MS = 120_000;

export interface ActOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Flags that name the same service in another call. */
  readonly again: string;
}

/**
 * Does what a plan says, saying each step and how to undo it. Returns the exit code. Throws OLLANA_START_FAILED for a file of
 * somebody else's and for what cannot be written or run.
 */
export async function carryOutPlan(
  action: ServiceAction,
  plan: ServicePlan,
  options: ActOptions,
): Promise<number> {
  if (action === 'status' || action === 'logs')
    return show(action === 'status' ? plan.status : plan.logs, options);
  const { path } = plan.file;
  const there = ours(path, plan.file.encoding);
  if (action === 'install') {
    write(plan);
    say(`wrote ${path}`);
    for (const call of plan.install) await run(call, options);
    for (const hint of plan.hints) say(hint);
    say(`undo: ollana service uninstall${options.again}`);
    return EXIT.ok;
  }
  if (!there) {
    say(`nothing to do: there is no ${path}`);
    return EXIT.ok;
  }
  // What does not run any more, or was removed by hand, is no reason to leave the file.
  for (const call of plan.uninstall) await run(call, options).catch((error: unknown) => say(reasonOf(error)));
  rmSync(path, { force: true });
  say(`removed ${path}`);
  for (const call of plan.afterwards) await run(call, options);
  say(`undo: ollana service install${options.again}`);
  return EXIT.ok;
}

/** What `--dry-run` prints. Pure. */
export function shownPlan(action: ServiceAction, plan: ServicePlan): string {
  const { file, install, uninstall, afterwards, status, logs } = plan;
  const lines = (calls: readonly Call[]) => calls.map(commandText);
  const steps: Readonly<Record<ServiceAction, readonly string[]>> = {
    install: [`# write ${file.path}`, ...file.text.trimEnd().split('\n'), '', '# then', ...lines(install)],
    uninstall: [...lines(uninstall), `# remove ${file.path}`, ...lines(afterwards)],
    status: lines([status]),
    logs: lines([logs]),
  };
  return `${steps[action].map(plainText).join('\n')}\n`;
}

/** Whether our file is there; one that somebody else wrote is refused. */
function ours(path: string, encoding: BufferEncoding): boolean {
  let text: string;
  try {
    text = readFileSync(path, encoding);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw failed(`cannot read ${path} (${reasonOf(error)}): look at that file`);
  }
  if (text.includes(MARK)) return true;
  throw failed(`${path} is there and not written by \`ollana service\`, so it stays: remove it first`);
}

function write({ file: { path, text, encoding } }: ServicePlan): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    // Readable: it has no secret in it, and who looks for what runs here looks there.
    writeFileSync(path, encoding === 'utf16le' ? `\ufeff${text}` : text, { encoding, mode: 0o644 });
  } catch (error) {
    throw failed(`cannot write ${path} (${reasonOf(error)}): look at that folder`);
  }
}

async function run(call: Call, { env }: ActOptions): Promise<void> {
  const [program, ...args] = call;
  try {
    await promisify(execFile)(program, args, { env, timeout: LIMIT_MS, windowsHide: true });
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw failed(`${commandText(call)} failed (${(stderr ?? '').trim() || reasonOf(error)})`);
  }
  say(`ran ${commandText(call)}`);
}

/** Runs a command that tells the user something himself. */
async function show([program, ...args]: Call, { env }: ActOptions): Promise<number> {
  const child = spawn(program, args, { env, stdio: 'inherit', windowsHide: true });
  try {
    const [code] = await once(child, 'close');
    return code === 0 ? EXIT.ok : EXIT.notRunning;
  } catch (error) {
    throw failed(`cannot run ${program} (${reasonOf(error)}): is it installed?`);
  }
}

const commandText = (call: Call): string =>
  call.map((word) => (/^[\w.:@/\\=+-]+$/.test(word) ? word : `"${word}"`)).join(' ');

const say = (text: string): void => void process.stdout.write(`${plainText(text)}\n`);
const failed = (message: string): OllanaError => new OllanaError('OLLANA_START_FAILED', message);

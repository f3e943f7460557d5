import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ASIDE_PORT } from '../config/own-ollama.ts';
import { OllanaError, reasonOf } from '../errors.ts';

/** Where systemd looks for what an administrator adds to the service of Ollama. */
export const UNIT_DIR = '/etc/systemd/system/ollama.service.d';
/** Read last, so that it counts before what the user has set there by `systemctl edit`. */
const DROP_IN = 'zz-ollana-port.conf';
const TEXT = `# Written by \`ollana port take\`; \`ollana port give\` removes it.
[Service]
Environment="OLLAMA_HOST=127.0.0.1:${ASIDE_PORT}"
`;
/** A service that ends its requests first takes its time, ms. */
const LIMIT_MS = 120_000;

export interface MoveOptions {
  /** The folder of the drop-in; `UNIT_DIR` unless a test says otherwise. */
  readonly dir?: string;
  /** Finds `systemctl` by its PATH. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Whether Ollama's service is moved aside by us. */
export function isAside({ dir = UNIT_DIR }: Pick<MoveOptions, 'dir'> = {}): boolean {
  return existsSync(join(dir, DROP_IN));
}

/**
 * Has the service `ollama` listen aside and starts it anew; what is there already stays, and a service that then does
 * not start gets its own settings back. Throws OLLANA_START_FAILED saying what to do.
 */
export async function moveAside(options: MoveOptions): Promise<void> {
  const { dir = UNIT_DIR } = options;
  const state = await systemctl(options, 'show', 'ollama.service', '--property=LoadState');
  if (!/^LoadState=loaded/m.test(state))
    throw failed('systemd has no service ollama: start Ollama by hand with OLLAMA_HOST=127.0.0.1:11433');
  write(dir);
  try {
    await restart(options);
  } catch (error) {
    remove(dir);
    await restart(options).catch(() => {});
    throw failed(`${reasonOf(error)}; Ollama has its own settings again: see \`journalctl -u ollama\``);
  }
}

/** Undoes `moveAside`; resolves with whether there was anything to undo. Throws OLLANA_START_FAILED. */
export async function moveBack(options: MoveOptions): Promise<boolean> {
  if (!isAside(options)) return false;
  remove(options.dir ?? UNIT_DIR);
  await restart(options);
  return true;
}

async function restart(options: MoveOptions): Promise<void> {
  await systemctl(options, 'daemon-reload');
  await systemctl(options, 'restart', 'ollama.service');
}

async function systemctl({ env }: MoveOptions, ...args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)('systemctl', args, { env, timeout: LIMIT_MS })).stdout;
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw failed(`systemctl ${args.join(' ')} failed (${(stderr ?? '').trim() || reasonOf(error)})`);
  }
}

function write(dir: string): void {
  changing(dir, () => {
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    writeFileSync(join(dir, DROP_IN), TEXT, { mode: 0o644 });
  });
}

function remove(dir: string): void {
  changing(dir, () => {
    rmSync(join(dir, DROP_IN), { force: true });
    // A folder that was made for it alone goes with it.
    if (readdirSync(dir).length === 0) rmdirSync(dir);
  });
}

function changing(dir: string, change: () => void): void {
  try {
    change();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const remedy = code === 'EACCES' || code === 'EPERM' ? 'type it with sudo' : 'look at that folder';
    throw failed(`cannot change ${dir} (${reasonOf(error)}): ${remedy}`);
  }
}

const failed = (message: string): OllanaError => new OllanaError('OLLANA_START_FAILED', message);

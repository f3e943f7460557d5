import { readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRunningOllana } from './process-alive.ts';

/** What a running daemon leaves in its data directory, so that other commands find it. */
export interface DaemonState {
  readonly pid: number;
  /** Where apps reach it. */
  readonly url: string;
  readonly mode: 'client' | 'server';
  /** ISO 8601. */
  readonly startedAt: string;
}

const MODES = ['client', 'server'] as const;

/**
 * Writes `<mode>.json` into the data directory, whole or not at all, mode 0600. Returns what removes it again if
 * it still names this process; that never throws. Throws what the file system throws.
 */
export function writeState(dataDir: string, state: DaemonState): () => void {
  const path = join(dataDir, `${state.mode}.json`);
  const draft = `${path}.${state.pid}`;
  try {
    writeFileSync(draft, `${JSON.stringify(state)}\n`, { mode: 0o600 });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  return () => {
    if (readState(dataDir, state.mode)?.pid !== state.pid) return;
    try {
      unlinkSync(path);
    } catch {
      // Gone already: what was wanted.
    }
  };
}

/** The daemons of this data directory that are running, client mode first. */
export function runningDaemons(dataDir: string): readonly DaemonState[] {
  return MODES.flatMap((mode) => {
    const state = readState(dataDir, mode);
    return state && isRunningOllana(state.pid) ? [state] : [];
  });
}

/** Undefined for a file that is missing, unreadable or not ours: then there is no daemon to find by it. */
function readState(dataDir: string, mode: DaemonState['mode']): DaemonState | undefined {
  try {
    const { pid, url, startedAt } = JSON.parse(
      readFileSync(join(dataDir, `${mode}.json`), 'utf8'),
    ) as Partial<Record<keyof DaemonState, unknown>>;
    if (!Number.isInteger(pid) || Number(pid) <= 0) return undefined;
    if (typeof url !== 'string' || !/^http:\/\//.test(url) || !URL.canParse(url)) return undefined;
    return { pid: Number(pid), url, mode, startedAt: typeof startedAt === 'string' ? startedAt : '' };
  } catch {
    return undefined;
  }
}

import type { CommonConfig } from '../config.ts';
import { heldBy, pidFileHolder } from '../daemon/pid-file.ts';
import { runningDaemons } from '../daemon/state-file.ts';

/** Throws OLLANA_ALREADY_RUNNING, with the address when it can be told, if a live ollana holds the pid file. */
export function refuseSecond({ writesPidFile, pidFile, dataDir }: CommonConfig): void {
  const holder = writesPidFile ? pidFileHolder(pidFile) : undefined;
  if (holder === undefined) return;
  throw heldBy(holder, pidFile, runningDaemons(dataDir).find(({ pid }) => pid === holder)?.url);
}

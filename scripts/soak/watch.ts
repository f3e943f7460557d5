import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { holdingsOf } from '../../test/_chaos-fleet.ts';
import { statusMb } from '../bench/process-cost.ts';
import type { Sample } from './flat.ts';
import type { SoakFleet } from './fleet.ts';

/** Looks at one daemon from time to time. */
export class Watch {
  readonly name: string;
  readonly #of: SoakFleet['watched'][number];
  readonly #samples: Sample[] = [];

  constructor(of: SoakFleet['watched'][number]) {
    this.name = of.name;
    this.#of = of;
  }

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** Takes a sample. Rejects when the daemon does not answer. */
  async look(atMs: number): Promise<void> {
    const { daemon, log } = this.#of;
    const { heapBytes, externalBytes, handles, delayMs } = await holdingsOf(
      daemon.process,
      this.#samples.length + 1,
    );
    const folder = `/proc/${daemon.process.pid}`;
    const files = readdirSync(join(folder, 'fd')).map((fd) => linkOf(join(folder, 'fd', fd)));
    this.#samples.push({
      atMs,
      heapMb: (heapBytes + externalBytes) / 1e6,
      rssMb: statusMb(readFileSync(join(folder, 'status'), 'utf8')),
      descriptors: files.length,
      sockets: files.filter((link) => link.startsWith('socket:')).length,
      handles,
      delayMs,
      logMb: megabytes(log),
    });
  }
}

/** A log file and those before it, MB. */
function megabytes(log: string): number {
  const folder = dirname(log);
  return readdirSync(folder)
    .filter((file) => file.startsWith(basename(log)))
    .reduce(
      (sum, file) => sum + (statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0) / 1e6,
      0,
    );
}

/** Empty for one that was closed meanwhile. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

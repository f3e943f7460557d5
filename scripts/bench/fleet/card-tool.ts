import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { cardBytesOf, type FleetGpu } from '../../fleet/world.ts';

const MIB = 1024 * 1024;

/** What stands in for the tools of the cards' maker; disposal removes it. */
export interface CardTools extends Disposable {
  /** The `PATH` of a machine with the GPU of that number. */
  path(index: number): string;
}

/**
 * A machine with a graphics card has a tool that tells how much memory the card has, and an ollana there asks it.
 * Writes a folder with an `nvidia-smi` for each GPU, which knows the name and the whole memory, nothing else.
 */
export function cardTools(gpus: readonly FleetGpu[]): CardTools {
  const dir = mkdtempSync(join(tmpdir(), 'ollana-cards-'));
  for (const [i, gpu] of gpus.entries()) {
    mkdirSync(join(dir, `${i}`));
    const row = `Simulated GPU, ${Math.floor(cardBytesOf(gpu) / MIB)}, [N/A], [N/A], [N/A], [N/A], [N/A]`;
    writeFileSync(join(dir, `${i}`, 'nvidia-smi'), `#!/bin/sh\necho '${row}'\n`, { mode: 0o755 });
  }
  const remove = () => rmSync(dir, { recursive: true, force: true });
  process.once('exit', remove);
  return {
    path: (index) => join(dir, `${index}`) + delimiter + (process.env.PATH ?? ''),
    [Symbol.dispose]: () => {
      process.removeListener('exit', remove);
      remove();
    },
  };
}

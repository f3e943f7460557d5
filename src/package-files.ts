import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = rootAbove(dirname(fileURLToPath(import.meta.url)));

/**
 * The absolute path of a file that comes with ollana, by its path in the package, such as `dist/cli.js`. The same
 * wherever the code that asks lies: in `src`, in `dist-modules`, or bundled in `dist`.
 */
export function packageFile(path: string): string {
  return join(ROOT, path);
}

/** The nearest folder upward that has a package.json: none but the package's own lies on the way. */
function rootAbove(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) throw new Error(`no package.json above ${from}: install ollana anew`);
  }
}

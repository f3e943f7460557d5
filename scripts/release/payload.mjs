// What a single executable carries: the files of an installed package, as one compressed piece.
//   first line of the decompressed bytes: JSON, [[path with /, length], ...]; after it the files, one after another
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

/** Packs all files under a folder, sorted by path, so that the same files give the same bytes. Links are refused. */
export function pack(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile()) throw new Error(`${path} is neither a file nor a folder`);
      return { name: relative(folder, path).split(sep).join('/'), bytes: readFileSync(path) };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const index = JSON.stringify(files.map(({ name, bytes }) => [name, bytes.length]));
  const whole = Buffer.concat([Buffer.from(`${index}\n`), ...files.map(({ bytes }) => bytes)]);
  return brotliCompressSync(whole, {
    params: {
      // The highest takes half a minute for a tenth less.
      [constants.BROTLI_PARAM_QUALITY]: 9,
      [constants.BROTLI_PARAM_SIZE_HINT]: whole.length,
      [constants.BROTLI_PARAM_LGWIN]: 24,
    },
  });
}

import { readFileSync, statSync } from 'node:fs';
import { OllanaError, reasonOf } from '../errors.ts';
import { type ConfigFile, readConfigText } from './file-values.ts';
import { OPTIONS } from './options.ts';
import { defaultConfigFile, pathsOf } from './paths.ts';
import { type Flags, pickGiven, type Sources } from './pick.ts';
import type { Surroundings } from './surroundings.ts';

/** Every option with a long list of servers is some 50 kB; what is larger is another file, and would hold up the start. */
export const MAX_CONFIG_BYTES = 256 * 1024;

/** What a command is told: by flags, by the environment, and by a file where there is one. */
export type Told = Surroundings & Sources;

/** The file that counts, absolute, and whether the user named it. Throws OLLANA_BAD_OPTION. */
export function configFilePath(told: Surroundings & { readonly flags: Flags }): {
  readonly path: string;
  readonly isNamed: boolean;
} {
  const named = pickGiven(OPTIONS.config, { flags: told.flags, env: told.env });
  if (named === undefined) return { path: defaultConfigFile(told), isNamed: false };
  return { path: pathsOf(told.platform).resolve(told.cwd, named), isNamed: true };
}

/**
 * Reads the file that counts; undefined where nobody named one and there is none. Mistakes in it are for the caller to
 * judge. Throws OLLANA_UNREADABLE_FILE for a file that cannot be read, or that was named and is not there.
 */
export function readConfigFile(told: Surroundings & { readonly flags: Flags }): ConfigFile | undefined {
  const { path, isNamed } = configFilePath(told);
  try {
    // Looked at before it is opened: opening a pipe waits for its writer.
    const found = statSync(path);
    if (!found.isFile()) throw new Error('not a regular file');
    if (found.size > MAX_CONFIG_BYTES)
      throw new Error(`it has ${found.size} bytes, more than ${MAX_CONFIG_BYTES}`);
    return readConfigText(readFileSync(path, 'utf8'), path, told);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!isNamed && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined;
    const remedy = isNamed
      ? 'create it, or correct --config or OLLANA_CONFIG'
      : 'make it readable, or remove it';
    throw new OllanaError('OLLANA_UNREADABLE_FILE', `cannot read ${path}: ${reasonOf(error)}; ${remedy}`, {
      cause: error,
    });
  }
}

/** Throws OLLANA_BAD_OPTION with the first mistake of a file, if it has one, and how to see the others. Pure. */
export function refuseMistakes(file: ConfigFile | undefined): void {
  const [first, ...more] = file?.mistakes ?? [];
  if (first === undefined) return;
  const others = more.length === 0 ? '' : ` (and ${more.length} more: \`ollana config check\` lists all)`;
  throw new OllanaError('OLLANA_BAD_OPTION', `${first}${others}`);
}

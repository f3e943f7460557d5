import { realpathSync } from 'node:fs';

/** What runs here: Node and a script, or one file that is both. */
export interface Running {
  /** Absolute path of what the system runs. */
  readonly executable: string;
  /** The script as Node was told it; undefined where there is none. */
  readonly script: string | undefined;
  /** It is the single executable, which unpacks the script that it runs and finds it again by itself. */
  readonly isSingle: boolean;
}

/** This process. */
export function running(): Running {
  const [, script] = process.argv;
  return { executable: process.execPath, script, isSingle: isSingleExecutable() };
}

/**
 * How it is started again: absolute paths. The single executable is named alone: what it unpacks has the name of its
 * contents, and is another folder after an update.
 */
export function programOf({ executable, script, isSingle }: Running): readonly string[] {
  if (isSingle || script === undefined || script === executable) return [executable];
  return [executable, realpathSync(script)];
}

/** Not by an import: among Node's modules only those that need the prefix are not listed, and this is one. */
function isSingleExecutable(): boolean {
  return process.getBuiltinModule?.('node:sea')?.isSea() ?? false;
}

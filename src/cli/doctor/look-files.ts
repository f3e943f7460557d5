import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { configFilePath, readConfigFile, type Told } from '../../config/file.ts';
import { type ClientConfig, resolveConfig } from '../../config.ts';
import { reasonOf } from '../../errors.ts';
import { LIST_FILE, readDevices } from '../../security/allow-list.ts';
import type { DirectoryFacts, DiskFacts } from './machine.ts';
import type { PairingFacts } from './peers.ts';

/** What must be for its owner alone: keys, and who may do what. */
const SECRET = /\.pem$|key|^devices\.json$/i;

/** Who owns a directory and what in it others may read. Never throws. */
export function lookAtDirectory(path: string, ownUid: number | undefined): DirectoryFacts {
  try {
    const stats = statSync(path);
    const isOpen = (name: string) => {
      const one = statSync(join(path, name));
      return one.isFile() && (one.mode & 0o077) !== 0;
    };
    const isDirectory = stats.isDirectory();
    const names =
      isDirectory && ownUid !== undefined ? readdirSync(path).filter((name) => SECRET.test(name)) : [];
    return {
      path,
      ownUid,
      found: {
        isDirectory,
        uid: stats.uid,
        mode: stats.mode,
        canWrite: canWrite(path),
        open: names.filter(isOpen),
      },
    };
  } catch {
    // Not there yet; or closed to us, which the start of a daemon says.
    return { path, ownUid };
  }
}

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Room where a path is or would be; undefined where the system does not tell. Never rejects. */
export async function lookAtDisk(path: string): Promise<DiskFacts | undefined> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize, blocks } = await statfs(at);
      return blocks > 0 ? { path, totalBytes: blocks * bsize, freeBytes: bavail * bsize } : undefined;
    } catch {
      // Not there, or closed: the nearest above it counts.
      if (dirname(at) === at) return undefined;
    }
  }
}

/** The list of devices in a data directory. Never throws. */
export function lookAtDevices(dataDir: string): Omit<PairingFacts, 'status'> {
  try {
    return { allowed: readDevices(readFileSync(join(dataDir, LIST_FILE), 'utf8')).length };
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code !== 'ENOENT';
    return isThere ? { allowed: 0, broken: reasonOf(error) } : { allowed: 0 };
  }
}

/** The configuration as far as it makes sense, and what does not. */
export interface ConfigFacts {
  readonly path: string;
  readonly exists: boolean;
  readonly mistakes: readonly string[];
  readonly config: ClientConfig;
}

/** Reads what a start would read; what is wrong is told and left out. Throws OLLANA_BAD_OPTION for flags alone. */
export function lookAtConfig(told: Told): ConfigFacts {
  const { path } = configFilePath(told);
  try {
    const file = readConfigFile(told);
    const exists = file !== undefined;
    const mistakes = file?.mistakes ?? [];
    return { path, exists, mistakes, config: resolveConfig({ ...told, file, mode: 'client' }) };
  } catch (error) {
    const others = Object.entries(told.env).filter(([name]) => !/^(OLLANA|OLLAMA)_/.test(name));
    // Those that say where discovery may speak are kept: a mistake elsewhere must not have it speak everywhere.
    const kept = Object.fromEntries([...others, ...narrowing(told.env)]);
    const config = resolveConfig({ ...told, file: undefined, env: kept, mode: 'client' });
    return { path, exists: true, mistakes: [reasonOf(error)], config };
  }
}

function narrowing(env: Told['env']): readonly [string, string | undefined][] {
  return ['OLLANA_INTERFACE', 'OLLANA_DATA_DIR', 'OLLANA_UDP', 'OLLANA_MDNS'].map((name) => [
    name,
    env[name],
  ]);
}

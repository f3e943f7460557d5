import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { addressOf, isLoopbackHost } from '../config/host.ts';
import type { Room } from '../fleet/machine-facts.ts';
import type { Environment } from './ollama-environment.ts';

export interface ModelDiskOptions {
  /** Base URL of the Ollama whose models they are. */
  readonly url: string;
  /** What is known of its environment now. */
  readonly environment: () => Environment | undefined;
  /** The folder of its models, for who knows it; absent: as is found out. */
  readonly dir?: string | undefined;
}

/**
 * What stays free, bytes. How large a model is, only its registry knows; this is room for most, and the machine of
 * whoever shares it needs some to live.
 */
export const LEAST_FREE_BYTES = 10e9;

/** The disk on which an Ollama of this machine keeps its models. */
export class ModelDisk {
  readonly #options: ModelDiskOptions;

  constructor(options: ModelDiskOptions) {
    this.#options = options;
  }

  /** Bytes that are free there; undefined where the Ollama is elsewhere or the system does not tell. Never rejects. */
  async freeBytes(): Promise<number | undefined> {
    return (await this.room())?.freeBytes;
  }

  /** Bytes that there are and that are free there; undefined where that is not known. Never rejects. */
  async room(): Promise<Room | undefined> {
    const dir = this.dir();
    return dir === undefined ? undefined : roomAt(dir);
  }

  /** The folder of its models, which may be closed to us; undefined where that is not known. */
  dir(): string | undefined {
    const { url, environment, dir: given } = this.#options;
    if (given !== undefined) return given;
    if (!isLoopbackHost(addressOf(url).hostname)) return undefined;
    const dir = modelsDir(environment(), homedir());
    // Nobody says where it keeps them, and our own user has none: it may be anywhere.
    return environment() === undefined && !existsSync(dirname(dir)) ? undefined : dir;
  }
}

/** Where Ollama's installer for Linux has its service keep models. */
const SERVICE_DIR = '/usr/share/ollama/.ollama/models';

/** Where an Ollama keeps its models (envconfig/config.go: Models), `home` being that of our own user. Pure. */
export function modelsDir(environment: Environment | undefined, home: string): string {
  const set = environment?.variables.get('OLLAMA_MODELS');
  if (set !== undefined && isAbsolute(set)) return set;
  const itsHome = environment?.variables.get('HOME');
  if (itsHome !== undefined && isAbsolute(itsHome)) return join(itsHome, '.ollama', 'models');
  return environment?.source === 'service' && process.platform === 'linux'
    ? SERVICE_DIR
    : join(home, '.ollama', 'models');
}

/** What `ProtectHome=` of the systemd unit hides behind a disk that is none. */
const HIDDEN = /^\/(home|root|run\/user)(\/|$)/;

/**
 * How much room there is where a directory is or would be: of one that is not there yet, or that another user closes to us, the
 * nearest above it counts.
 */
async function roomAt(path: string): Promise<Room | undefined> {
  try {
    const { bavail, bsize, blocks } = await statfs(path);
    // Some file systems count nothing.
    return blocks > 0 ? { totalBytes: blocks * bsize, freeBytes: bavail * bsize } : undefined;
  } catch (error) {
    const isClosed = (error as NodeJS.ErrnoException).code !== 'ENOENT';
    if (dirname(path) === path || (isClosed && HIDDEN.test(path))) return undefined;
    return roomAt(dirname(path));
  }
}

import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { chown, type FileHandle, mkdir, open, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '../errors.ts';
import { MAX_MANIFEST_BYTES, type ModelPart } from '../ollama/manifest.ts';
import { blobFile, manifestPath } from '../ollama/model-path.ts';

/** A file that is open for reading. */
export interface OpenBlob extends AsyncDisposable {
  readonly file: FileHandle;
  /** Bytes. */
  readonly size: number;
}

/** A pipe or a device instead of a file must not be waited for; Windows knows no such flag. */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
/** As Ollama makes them. */
const DIR_MODE = 0o755;
const FILE_MODE = 0o644;

/**
 * The files in which an Ollama of this machine keeps its models, as far as they are ours to read or to write. `dir`
 * is asked anew each time: the Ollama may be started with another folder.
 */
export class ModelShelf {
  readonly #dir: () => string | undefined;

  constructor(dir: () => string | undefined) {
    this.#dir = dir;
  }

  /**
   * The bytes of a model's manifest, whose SHA-256 is what Ollama lists as the model's digest; undefined where there is
   * none to be read. Never rejects.
   */
  async manifest(name: string): Promise<Buffer | undefined> {
    const dir = this.#dir();
    const path = manifestPath(name);
    if (dir === undefined || !path) return undefined;
    await using found = await openFile(join(dir, ...path));
    if (!found || found.size > MAX_MANIFEST_BYTES) return undefined;
    try {
      const { bytesRead, buffer } = await found.file.read({ buffer: Buffer.alloc(found.size), position: 0 });
      return bytesRead === found.size ? buffer : undefined;
    } catch {
      return undefined; // As if it were not there: the list may be older than the file.
    }
  }

  /** Opens a blob; undefined where there is none to be read. Never rejects. */
  async open(digest: string): Promise<OpenBlob | undefined> {
    const dir = this.#dir();
    const file = dir === undefined ? undefined : blobFile(dir, digest);
    return file === undefined ? undefined : openFile(file);
  }

  /**
   * Adds a model by its manifest, so that it has the very digest that it has where the manifest comes from. Resolves
   * with why that cannot be done, undefined when it is done: not without a folder that is ours to write, nor when the
   * parts are not in it, which then is not the one that this Ollama uses. Never rejects.
   */
  async add(name: string, manifest: Buffer, parts: readonly ModelPart[]): Promise<string | undefined> {
    const dir = this.#dir();
    const path = manifestPath(name);
    if (dir === undefined) return 'it is not known where Ollama keeps its models';
    if (!path) return 'the name is none of a file';
    try {
      for (const { digest, size } of parts) {
        const found = await stat(blobFile(dir, digest) ?? '');
        if (!found.isFile() || found.size !== size) return `${digest} in ${dir} has another size`;
      }
      await writeNew(dir, path, manifest);
      return undefined;
    } catch (error) {
      return reasonOf(error);
    }
  }
}

async function openFile(path: string): Promise<OpenBlob | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, READ);
    const found = await file.stat();
    if (found.isFile()) {
      const opened = file;
      return { file, size: found.size, [Symbol.asyncDispose]: () => opened.close() };
    }
  } catch {
    // Not there, or not ours to read: there is nothing to offer.
  }
  await file?.close();
  return undefined;
}

/** Writes a file below `dir`, whole or not at all; it belongs to whoever owns `dir`, as do the folders on the way. */
async function writeNew(dir: string, path: readonly string[], bytes: Buffer): Promise<void> {
  const { uid, gid } = await stat(dir);
  const give = async (made: string) => {
    if (process.getuid?.() === 0) await chown(made, uid, gid);
  };
  const file = join(dir, ...path);
  for (let depth = 1; depth < path.length; depth += 1) {
    const folder = join(dir, ...path.slice(0, depth));
    const made = await mkdir(folder, { mode: DIR_MODE }).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return false;
        throw error;
      },
    );
    if (made) await give(folder);
  }
  // Beside the folder of manifests, where Ollama would take a draft for a model.
  const draft = join(dir, `ollana-${randomUUID()}`);
  try {
    await writeFile(draft, bytes, { mode: FILE_MODE, flag: 'wx' });
    await give(draft);
    await rename(draft, file);
  } catch (error) {
    await unlink(draft).catch(() => {});
    throw error;
  }
}

/** The digest by which Ollama lists the model of a manifest: 64 hex digits. Pure. */
export function digestOfManifest(manifest: Buffer): string {
  return createHash('sha256').update(manifest).digest('hex');
}

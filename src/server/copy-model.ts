import { OllanaError, reasonOf } from '../errors.ts';
import { type Manifest, type ModelPart, partsOf, readManifest } from '../ollama/manifest.ts';
import { hasBlob } from './blob-upload.ts';
import { type CopyPartOptions, copyPart, WrongBytes } from './copy-part.ts';
import { fetchManifest, type Neighbour } from './copy-source.ts';
import { digestOfManifest } from './model-shelf.ts';
import type { StreamOptions } from './stream-request.ts';

/** What is to be copied, and from whom. */
export interface CopyPlan {
  /** Whose manifest it is. */
  readonly from: Neighbour;
  /** The manifest as its neighbour has it, to the byte. */
  readonly bytes: Buffer;
  readonly manifest: Manifest;
  /** The files that the own Ollama has not. */
  readonly missing: readonly ModelPart[];
  /** Who is asked for them, in that order; `from` is the first. */
  readonly neighbours: readonly Neighbour[];
}

/**
 * Asks neighbours for the manifest of the model until one has it, and the own Ollama at `ollama` which files it lacks.
 * `onRefused` is told why a neighbour could not be used. Undefined where nobody has anything to offer. Rejects with
 * OLLANA_UPSTREAM_FAILED when the own Ollama does not answer, and on an abort.
 */
export async function planCopy(
  neighbours: readonly Neighbour[],
  ollama: string,
  onRefused: (neighbour: Neighbour, reason: string) => void,
  options: StreamOptions,
): Promise<CopyPlan | undefined> {
  for (const from of neighbours) {
    let bytes: Buffer;
    let manifest: Manifest;
    try {
      bytes = await fetchManifest(from, options);
      // A list may be older than what is kept, and a folder may be another Ollama's.
      if (digestOfManifest(bytes) !== from.digest.replace(/^sha256:/, ''))
        throw new OllanaError('OLLANA_UPSTREAM_FAILED', 'its manifest is not the one that it lists');
      manifest = readManifest(bytes);
    } catch (error) {
      if (options.signal.aborted) throw error;
      onRefused(from, reasonOf(error));
      continue;
    }
    const missing: ModelPart[] = [];
    for (const part of partsOf(manifest))
      if (!(await hasBlob(ollama, part.digest, options))) missing.push(part);
    const same = neighbours.filter((one) => one !== from && one.digest === from.digest);
    return { from, bytes, manifest, missing, neighbours: [from, ...same] };
  }
  return undefined;
}

/** Bytes of files together. Pure. */
export function sizeOf(parts: readonly ModelPart[]): number {
  return parts.reduce((sum, { size }) => sum + size, 0);
}

export interface CopyModelOptions extends Omit<CopyPartOptions, 'neighbours' | 'onBytes'> {
  /** A file begins to be copied. */
  readonly onPart: (part: ModelPart) => void;
  readonly onBytes: (part: ModelPart, count: number, from: Neighbour) => void;
  /** A neighbour is not asked again, and why. */
  readonly onRefused: (reason: string) => void;
}

/**
 * Copies the files of a plan into the own Ollama, one after the other. A neighbour that sends wrong bytes is not asked
 * again. Rejects as `copyPart`; the files that were whole by then stay, and the next copy goes on from there.
 */
export async function copyModel(plan: CopyPlan, options: CopyModelOptions): Promise<void> {
  let neighbours = plan.neighbours;
  for (const part of plan.missing) {
    for (let done = false; !done; ) {
      options.onPart(part);
      const onBytes = (count: number, from: Neighbour) => options.onBytes(part, count, from);
      try {
        await copyPart(part, { ...options, neighbours, onBytes });
        done = true;
      } catch (error) {
        if (!(error instanceof WrongBytes)) throw error;
        neighbours = neighbours.filter(({ url }) => !error.from.has(url));
        if (neighbours.length === 0) throw error;
        options.onRefused(error.message);
      }
    }
  }
}

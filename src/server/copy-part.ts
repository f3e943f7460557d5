import { createHash } from 'node:crypto';
import { sleep } from '../clock.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import type { ModelPart } from '../ollama/manifest.ts';
import { BlobUpload } from './blob-upload.ts';
import { type Neighbour, NotGiven, readPart } from './copy-source.ts';
import type { StreamOptions } from './stream-request.ts';

export interface CopyPartOptions extends StreamOptions {
  /** Base URL of the Ollama that gets the file. */
  readonly ollama: string;
  /** Who has it, in the order in which they are asked. */
  readonly neighbours: readonly Neighbour[];
  /** Bytes that have come, and from whom. */
  readonly onBytes: (count: number, from: Neighbour) => void;
}

/** A neighbour has sent bytes that are not the file; these were not passed on. */
export class WrongBytes extends OllanaError {
  /** Base URLs of those that sent them. */
  readonly from: ReadonlySet<string>;

  constructor(givers: ReadonlyMap<string, string>, digest: string) {
    const names = [...givers.values()].join(' and ');
    super(
      'OLLANA_UPSTREAM_FAILED',
      `what ${names} sent as ${digest} is something else (its SHA-256 differs): it was refused`,
    );
    this.from = new Set(givers.keys());
  }
}

/** Attempts that may fail without a step forward before a neighbour is given up. */
const MAX_CUTS = 4;
/** As `MAX_CUTS`, when much would be lost and nobody else has it: with the pauses a daemon, or Wi-Fi, has 30 s to come back. */
const LAST_HOPE_CUTS = 8;
/** What counts as a step forward, bytes. */
const STEP_BYTES = 16 * 1024 * 1024;
/** Wait before a neighbour is asked again, doubled each time, ms. */
const PAUSE_MS = 250;

/**
 * Copies a file from neighbours into an Ollama, hashing it on the way; never more than some chunks of it are in memory.
 * A connection that breaks is made again where it broke, with the same neighbour or the next. Rejects with `WrongBytes`,
 * with OLLANA_DISK_FULL, with OLLANA_UPSTREAM_FAILED when nobody gives it or Ollama does not take it, and on an abort.
 */
export async function copyPart(part: ModelPart, options: CopyPartOptions): Promise<void> {
  const { neighbours, onBytes, clock, signal } = options;
  const { digest, size } = part;
  using upload = new BlobUpload(options.ollama, part, options);
  const hash = createHash('sha256');
  /** Names by base URL. */
  const givers = new Map<string, string>();
  let at = 0;
  let why = 'nobody has it';
  /** Passes on what came; the end of it only when all of it is right, so that what is wrong is never whole there. */
  const take = async (chunk: Buffer, from: Neighbour): Promise<void> => {
    givers.set(from.url, from.name);
    hash.update(chunk);
    at += chunk.length;
    onBytes(chunk.length, from);
    if (at === size) verify(hash.digest('hex'), digest, givers);
    await upload.write(chunk);
  };
  for (const neighbour of neighbours) {
    let cuts = 0;
    let stepAt = at;
    const isLast = neighbour === neighbours.at(-1);
    while (at < size) {
      const bytes = readPart(neighbour, part, at, options);
      try {
        for (let next = await pull(bytes); next; next = await pull(bytes)) await take(next, neighbour);
      } catch (error) {
        if (!(error instanceof Broken) || signal.aborted) throw error;
        why = `${neighbour.name}: ${reasonOf(error.cause)}`;
        // Who has given some of it, and has none now, may have been started again and not know its files yet.
        if (error.cause instanceof NotGiven && !givers.has(neighbour.url)) break;
        cuts += 1;
        if (at - stepAt >= STEP_BYTES) [cuts, stepAt] = [1, at];
        if (cuts >= (isLast && at >= STEP_BYTES ? LAST_HOPE_CUTS : MAX_CUTS)) break;
        await sleep(clock, PAUSE_MS * 2 ** (cuts - 1), signal);
      } finally {
        await bytes.return();
      }
    }
  }
  if (at < size) throw new OllanaError('OLLANA_UPSTREAM_FAILED', `${digest} is not to be had, ${why}`);
  if (size === 0) verify(hash.digest('hex'), digest, givers);
  await upload.end();
}

/** The way from the neighbour broke; everything else that goes wrong is not mended by asking again. */
class Broken extends Error {}

async function pull(bytes: AsyncGenerator<Buffer, void>): Promise<Buffer | undefined> {
  try {
    const { value } = await bytes.next();
    return value ?? undefined;
  } catch (cause) {
    throw new Broken('the way from the neighbour broke', { cause });
  }
}

function verify(found: string, digest: string, givers: ReadonlyMap<string, string>): void {
  if (`sha256:${found}` !== digest) throw new WrongBytes(givers, digest);
}

import type { IncomingMessage } from 'node:http';
import { OllanaError } from '../errors.ts';
import { MAX_MANIFEST_BYTES, type ModelPart } from '../ollama/manifest.ts';
import { BLOBS_PATH, MANIFESTS_PATH } from './shelf-wire.ts';
import { answerTo, type StreamOptions, streamRequest, wordsOf } from './stream-request.ts';

/** A paired server that lists the model that is wanted. */
export interface Neighbour {
  /** What it is called. */
  readonly name: string;
  /** Base URL. */
  readonly url: string;
  /** The model as it is spelled there. */
  readonly model: string;
  /** By which it is listed there. */
  readonly digest: string;
}

/** A neighbour that gives less in so much time that it was waited for, ms, is given up: it is gone, or holds us up. */
const SLOW_MS = 30_000;
/** Bytes in that time; the internet is faster, wherever there is any. */
const LEAST_BYTES = 1024 * 1024;
/** How often that is looked at, ms. */
const LOOK_MS = 1000;

/** A neighbour will not, or cannot, give a file: asking it again for the same is in vain. */
export class NotGiven extends OllanaError {
  constructor(reason: string) {
    super('OLLANA_UPSTREAM_FAILED', reason);
  }
}

/** The bytes of the manifest that a neighbour lists. Rejects with OLLANA_UPSTREAM_FAILED. */
export async function fetchManifest({ url, model }: Neighbour, options: StreamOptions): Promise<Buffer> {
  const target = `${url}${MANIFESTS_PATH}?model=${encodeURIComponent(model)}`;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of bodyOf(target, {}, 200, () => undefined, options)) {
    bytes += chunk.length;
    if (bytes > MAX_MANIFEST_BYTES) throw new NotGiven(`its manifest is over ${MAX_MANIFEST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The bytes of a file at a neighbour from an offset on, as fast as they are taken. Rejects with `NotGiven` where the
 * neighbour will not give them, with OLLANA_UPSTREAM_FAILED when the connection breaks or less than 1 MB comes in 30 s.
 */
export function readPart(
  { url }: Neighbour,
  { digest, size }: ModelPart,
  from: number,
  options: StreamOptions,
): AsyncGenerator<Buffer, void> {
  const isRest = from > 0;
  const headers: Record<string, string> = isRest ? { range: `bytes=${from}-` } : {};
  const wrong = ({ headers: said }: IncomingMessage) => {
    if (isRest && said['content-range'] !== `bytes ${from}-${size - 1}/${size}`)
      return 'it gives other bytes than it was asked for';
    return said['content-length'] === String(size - from) ? undefined : 'it has the file in another size';
  };
  return bodyOf(`${url}${BLOBS_PATH}${digest}`, headers, isRest ? 206 : 200, wrong, options);
}

async function* bodyOf(
  url: string,
  headers: Readonly<Record<string, string>>,
  expected: number,
  wrong: (answer: IncomingMessage) => string | undefined,
  options: StreamOptions,
): AsyncGenerator<Buffer, void> {
  const { clock } = options;
  const request = streamRequest(url, 'GET', headers, options);
  // While what came is being used nobody waits for the neighbour.
  let isWaiting = true;
  let waitedMs = 0;
  let bytes = 0;
  let slow: OllanaError | undefined;
  const stopWatch = clock.every(LOOK_MS, () => {
    if (isWaiting) waitedMs += LOOK_MS;
    if (waitedMs < SLOW_MS) return;
    if (bytes < LEAST_BYTES) {
      slow = new OllanaError('OLLANA_UPSTREAM_FAILED', `only ${bytes} bytes came in ${SLOW_MS / 1000} s`);
      request.destroy(slow);
    }
    waitedMs = 0;
    bytes = 0;
  });
  try {
    const answered = answerTo(request);
    request.end();
    const answer = await answered;
    if (answer.statusCode !== expected) throw new NotGiven(await wordsOf(answer));
    const fault = wrong(answer);
    if (fault !== undefined) throw new NotGiven(fault);
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      isWaiting = false;
      yield chunk;
      isWaiting = true;
    }
  } catch (error) {
    // An answer that we break off ourselves says no more than that it is broken off.
    throw slow ?? error;
  } finally {
    stopWatch();
    request.destroy();
  }
}

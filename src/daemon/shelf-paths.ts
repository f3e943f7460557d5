import { pipeline } from 'node:stream';
import type { Clock } from '../clock.ts';
import { OllanaError } from '../errors.ts';
import { isDigest } from '../ollama/manifest.ts';
import { pathOf } from '../ollama/routes.ts';
import { answerError } from '../proxy/error-answer.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson } from '../proxy/front.ts';
import type { ModelShelf, OpenBlob } from '../server/model-shelf.ts';
import { BLOBS_PATH, MANIFESTS_PATH, readRange } from '../server/shelf-wire.ts';

export interface ShelfPathsOptions {
  readonly clock: Clock;
  readonly shelf: ModelShelf;
  /** The paired device that a request comes from. */
  readonly pairedIdOf: (exchange: Exchange) => string | undefined;
}

/** An ollana copies one file at a time; some models at once are some streams. */
const MAX_PER_DEVICE = 4;
/** Each reads the disk that this machine loads its own models from. */
const MAX_STREAMS = 16;
/** Seconds after which somebody who found none left may try again. */
const RETRY_AFTER_S = 30;
/** A reader that takes nothing for this long is gone, ms; looked for as often. */
const STALLED_MS = 30_000;
/** Read ahead of the network, bytes. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Lends the files of this machine's models to paired devices, which copy them: `GET` and `HEAD` of a manifest by the
 * model's name, and of a blob by its digest, with `Range`. Whoever has not proved by its key that it is paired gets
 * nothing, also where all others are served.
 */
export class ShelfPaths {
  readonly #options: ShelfPathsOptions;
  /** Streams by device. */
  readonly #streams = new Map<string, number>();

  constructor(options: ShelfPathsOptions) {
    this.#options = options;
  }

  /** Answers a request for one of these paths; returns false for all others. Never throws. */
  answers = (exchange: Exchange): boolean => {
    const path = pathOf(exchange.target);
    if (path !== MANIFESTS_PATH && !path.startsWith(BLOBS_PATH)) return false;
    this.#answer(exchange, path).catch((error: unknown) => answerError(exchange, error));
    return true;
  };

  async #answer(exchange: Exchange, path: string): Promise<void> {
    const device = this.#options.pairedIdOf(exchange);
    if (device === undefined) throw notPaired();
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      exchange.extraHeaders.push('Allow', 'GET, HEAD');
      return answerJson(exchange, 405, { error: `${path} takes GET` });
    }
    const inAll = [...this.#streams.values()].reduce((sum, count) => sum + count, 0);
    const own = this.#streams.get(device) ?? 0;
    if (own >= MAX_PER_DEVICE || inAll >= MAX_STREAMS) throw tooMany(own);
    this.#streams.set(device, own + 1);
    exchange.response.once('close', () => {
      const left = (this.#streams.get(device) ?? 0) - 1;
      if (left > 0) this.#streams.set(device, left);
      else this.#streams.delete(device);
    });
    if (path === MANIFESTS_PATH) return this.#manifest(exchange);
    return this.#blob(exchange, path.slice(BLOBS_PATH.length));
  }

  async #manifest(exchange: Exchange): Promise<void> {
    const query = new URLSearchParams(exchange.target.slice(MANIFESTS_PATH.length));
    const bytes = await this.#options.shelf.manifest(query.get('model') ?? '');
    if (!bytes)
      return answerJson(exchange, 404, { error: 'there is no manifest of that model to be read here' });
    const headers = ['Content-Type', 'application/octet-stream', 'Content-Length', String(bytes.length)];
    exchange.response.writeHead(200, [...exchange.extraHeaders, ...headers]);
    exchange.response.end(exchange.method === 'HEAD' ? undefined : bytes);
  }

  async #blob(exchange: Exchange, digest: string): Promise<void> {
    if (!isDigest(digest))
      return answerJson(exchange, 400, {
        error: 'a blob is named by sha256: and 64 digits of a to f and 0 to 9',
      });
    const blob = await this.#options.shelf.open(digest);
    if (!blob) return answerJson(exchange, 404, { error: `there is no ${digest} to be read here` });
    if (exchange.response.destroyed) return blob[Symbol.asyncDispose]();
    await this.#send(exchange, blob);
  }

  async #send(exchange: Exchange, { file, size, ...blob }: OpenBlob): Promise<void> {
    const { response, request, method } = exchange;
    const range = readRange(request.headers.range, size);
    const [from, to] = range.type === 'part' ? [range.from, range.to] : [0, size - 1];
    const headers = [...exchange.extraHeaders, 'Accept-Ranges', 'bytes'];
    if (range.type !== 'all')
      headers.push(
        'Content-Range',
        range.type === 'none' ? `bytes */${size}` : `bytes ${from}-${to}/${size}`,
      );
    const length = range.type === 'none' ? 0 : to - from + 1;
    headers.push('Content-Type', 'application/octet-stream', 'Content-Length', String(length));
    response.writeHead(range.type === 'all' ? 200 : range.type === 'part' ? 206 : 416, headers);
    if (length === 0 || method === 'HEAD') {
      response.end();
      return blob[Symbol.asyncDispose]();
    }
    // The stream closes the file, whatever becomes of it.
    const bytes = file.createReadStream({ start: from, end: to, highWaterMark: CHUNK_BYTES });
    let read = 0;
    let seen = 0;
    bytes.on('data', (chunk) => {
      read += chunk.length;
    });
    const stopWatch = this.#options.clock.every(STALLED_MS, () => {
      if (read === seen) response.destroy();
      seen = read;
    });
    await new Promise<void>((resolve) => {
      pipeline(bytes, response, (error) => {
        stopWatch();
        exchange.bytes = read;
        // The reader sees it by the length.
        if (error) response.destroy();
        resolve();
      });
    });
  }
}

function notPaired(): OllanaError {
  const what =
    'models are copied to paired devices only: type `ollana device pair` on the machine that has the model, and `ollana device pair NAME` on the one that wants it';
  return new OllanaError('OLLANA_NOT_PAIRED', what, { status: 403 });
}

function tooMany(own: number): OllanaError {
  const isOwn = own >= MAX_PER_DEVICE;
  const who = isOwn ? `${own} of the device that asks` : `${MAX_STREAMS} of others`;
  return new OllanaError('OLLANA_TOO_MANY', `copies of models are under way, ${who}: try again later`, {
    status: 503,
    retryAfterS: RETRY_AFTER_S,
    limit: isOwn ? 'copies-per-device' : 'copies',
  });
}

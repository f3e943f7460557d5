import { OllanaError } from '../errors.ts';
import { isOwnAddress } from '../limits.ts';
import type { Route } from '../ollama/routes.ts';

/** A body up to this is kept so that the request can be repeated elsewhere; a photo or two fit, bytes. */
export const REPLAY_LIMIT_BYTES = 32 * 1024 * 1024;
/** Past that a body streams; as long as this are a dozen photos from a camera with their base64, bytes. */
const LONG_LIMIT_BYTES = 128 * 1024 * 1024;
/** What is no prompt is a name and some options; a `create` may bring a template and licences, bytes. */
const SMALL_LIMIT_BYTES = 4 * 1024 * 1024;
/** Time for any body of another machine, ms, before its length counts. */
const BODY_TIME_MS = 30_000;
/** Then it must have come at this rate, bytes a millisecond: a bad Wi-Fi is ten times as fast. */
const BODY_RATE = 8;

/** What one request's body may take. */
export interface BodyBounds {
  /** Address of whoever sends it; undefined: a program of this machine, which is not bounded here, as by Ollama. */
  readonly peer: string | undefined;
  readonly path: string;
  /** Bytes. */
  readonly maxBytes: number;
  /** It is passed on as it comes. */
  readonly stream: boolean;
}

/**
 * The bounds of a request for this route. Blobs are gigabytes, and what bounds them is the disk; prompts are what can be
 * looked through. Pure.
 */
export function bodyBounds({ path, class: cls }: Route, address: string | undefined): BodyBounds {
  const stream = path === '/api/blobs/';
  if (isOwnAddress(address)) return { peer: undefined, path, stream, maxBytes: Number.POSITIVE_INFINITY };
  const long = cls === 'inference' || cls === 'unknown';
  const maxBytes = stream ? Number.POSITIVE_INFINITY : long ? LONG_LIMIT_BYTES : SMALL_LIMIT_BYTES;
  return { peer: address ?? '', path, stream, maxBytes };
}

/** How long a body of which `bytes` have come may have taken, ms. Pure. */
export function bodyTimeMs(bytes: number): number {
  return BODY_TIME_MS + bytes / BODY_RATE;
}

export function bodyTooLong({ path, maxBytes }: BodyBounds): OllanaError {
  return new OllanaError(
    'OLLANA_BAD_REQUEST',
    `the body for ${path} is over ${maxBytes / 1024 / 1024} MiB, the most that is taken from other machines: send less, such as smaller images`,
    { status: 413, limit: 'body-bytes' },
  );
}

export function bodyTooSlow({ path }: BodyBounds): OllanaError {
  return new OllanaError(
    'OLLANA_BAD_REQUEST',
    `the body for ${path} comes slower than ${BODY_RATE} kB a second: send it again when the network is better`,
    { status: 408, limit: 'body-time' },
  );
}

export function bodiesTooMany({ peer }: BodyBounds, maxBytes: number): OllanaError {
  return new OllanaError(
    'OLLANA_TOO_MANY',
    `the requests of ${peer} that run or wait here have bodies of over ${maxBytes / 1024 / 1024} MiB: wait for some of them to end`,
    { status: 503, retryAfterS: 2, limit: 'body-memory' },
  );
}

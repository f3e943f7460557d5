import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { parseRate, type Rate, rateText } from '../config/rate.ts';

/** A key that an app shows, as it is kept: what is shown cannot be had back from it. */
export interface ApiKey {
  /** What the user calls the app. */
  readonly name: string;
  /** SHA-256 of the whole key as it is shown, 64 lower-case hex digits. */
  readonly hash: string;
  /** ISO 8601. */
  readonly since: string;
  /** The only models it runs, as typed; absent: all. */
  readonly models?: readonly string[];
  /** How many requests it may send; absent: any number. */
  readonly rate?: Rate;
}

/** 256 bits: no number of guesses finds one, so a plain hash is as good as a slow one. */
const SECRET_BYTES = 32;
/** How every key looks: 32 bytes are 43 characters of base64url. */
const SHAPE = /^ollana_[A-Za-z0-9_-]{43}$/;
const HASH = /^[0-9a-f]{64}$/;
/** Nobody names more apps by hand; each costs a comparison for each request with a key. */
export const MAX_KEYS = 256;
/** More models than a GPU machine has. */
export const MAX_KEY_MODELS = 100;

/** Makes a new key, as it is to be shown; there is no second chance to see it. */
export function newKey(): string {
  return `ollana_${randomBytes(SECRET_BYTES).toString('base64url')}`;
}

/** Whether a text can be a key of some ollana. Pure. */
export function looksLikeKey(text: string): boolean {
  return SHAPE.test(text);
}

/** What is kept of a key. Pure. */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** The one among `keys` that was shown; takes as long for any of them, and for none. Pure. */
export function matchingKey<K extends Pick<ApiKey, 'hash'>>(
  keys: readonly K[],
  shown: string,
): K | undefined {
  const hash = Buffer.from(hashOf(shown), 'hex');
  let found: K | undefined;
  for (const key of keys) if (timingSafeEqual(Buffer.from(key.hash, 'hex'), hash)) found = key;
  return found;
}

const VERSION = 1;

/**
 * The keys in the text of the file. All or nothing: of a file that makes no sense no part counts. Throws an Error
 * saying what is wrong. Pure.
 */
export function readKeys(text: string): readonly ApiKey[] {
  const { version, keys } = (JSON.parse(text) ?? {}) as { version?: unknown; keys?: unknown };
  if (version !== VERSION || !Array.isArray(keys)) throw new Error('not a file of this version');
  if (keys.length > MAX_KEYS) throw new Error(`it has more than ${MAX_KEYS} keys`);
  return keys.map(readKey);
}

function readKey(value: unknown): ApiKey {
  const { name, hash, since, models, rate, ...more } = (value ?? {}) as Partial<
    Record<keyof ApiKey, unknown>
  >;
  // It may be a limit, misspelt by whoever edited the file.
  const [unknown] = Object.keys(more);
  if (unknown !== undefined)
    throw new Error(`a key in it has ${JSON.stringify(unknown)}, which means nothing`);
  if (typeof name !== 'string' || name === '') throw new Error('a key in it has no name');
  if (typeof hash !== 'string' || !HASH.test(hash)) throw new Error(`key ${name} has no hash`);
  return {
    name,
    hash,
    since: typeof since === 'string' ? since : '',
    ...(models !== undefined && { models: readModels(name, models) }),
    ...(rate !== undefined && { rate: parseRate(String(rate)) }),
  };
}

/** A limit that is not understood must not become none. */
function readModels(name: string, models: unknown): readonly string[] {
  const isList = Array.isArray(models) && models.length > 0 && models.length <= MAX_KEY_MODELS;
  if (isList && models.every((model) => typeof model === 'string' && model !== '')) return models;
  throw new Error(`the models of key ${name} are no list of names`);
}

/** The text of the file. Pure. */
export function writeKeys(keys: readonly ApiKey[]): string {
  const rows = keys.map(({ rate, ...row }) => ({ ...row, ...(rate && { rate: rateText(rate) }) }));
  return `${JSON.stringify({ version: VERSION, keys: rows }, undefined, 2)}\n`;
}

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** How long a soak lasts, and where its figures go. */
export interface SoakConfig {
  /** It ends after this time, ms, or this many requests, whichever is first. */
  readonly lengthMs: number;
  readonly requests: number;
  /** Requests that are under way at once. */
  readonly workers: number;
  /** Of the dice: the same troubles in the same order. */
  readonly seed: number;
  /** File for the report as JSON; undefined: only the table is printed. */
  readonly json: string | undefined;
}

/** Enough for a look; what grows slowly takes an hour. */
const DEFAULT_MINUTES = 4;
/** A day. */
const MOST_MINUTES = 24 * 60;

/** Reads the command line. Throws RangeError or TypeError that say what is wrong. Pure. */
export function readSoakConfig(argv: readonly string[]): SoakConfig {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      minutes: { type: 'string' },
      requests: { type: 'string' },
      workers: { type: 'string', default: '16' },
      seed: { type: 'string', default: '1' },
      json: { type: 'string' },
    },
  });
  const { requests, json } = values;
  // Whoever names a number of requests wants that many, however long they take.
  const minutes = values.minutes ?? String(requests === undefined ? DEFAULT_MINUTES : MOST_MINUTES);
  return {
    lengthMs: 60_000 * within('--minutes', minutes, MOST_MINUTES),
    requests: requests === undefined ? Number.POSITIVE_INFINITY : within('--requests', requests, 1e9),
    workers: within('--workers', values.workers, 200),
    seed: within('--seed', values.seed, 2 ** 32 - 1),
    json: json === undefined ? undefined : resolve(json),
  };
}

function within(flag: string, text: string, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value <= most) return value;
  throw new RangeError(`${flag} must be a whole number from 1 to ${most}, not '${text}'`);
}

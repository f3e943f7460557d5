import { parseArgs } from 'node:util';
import { usualArrivals } from '../fleet/workload.ts';
import { WORLD_NAMES, WORLDS, type WorldName } from '../fleet/world.ts';

/** What is simulated. */
export interface SimConfig {
  /** `scale`: many GPUs with one model, as waiting is what is compared; the others: a few that share several models. */
  readonly world: 'scale' | WorldName;
  /** Half-way other models become the popular ones; the figures are those of what follows. */
  readonly drift: boolean;
  /** GPU machines tell how much memory their cards have. */
  readonly cards: boolean;
  readonly servers: number;
  readonly laptops: number;
  /** Share of what all GPUs could do together. */
  readonly load: number;
  readonly seed: number;
  readonly requests: number;
  /** How long a load table is under way to a laptop, ms; a server sends one every 20 ms at most. */
  readonly staleMs: number;
  /** Share of messages that get lost, 0 to 1. */
  readonly lost: number;
}

/** Enough for the p95 of a queue that empties and fills again; a large fleet sees every server used often. */
const REQUESTS = 20_000;
const NAMES = ['scale', ...WORLD_NAMES] as const;

/** Reads the command line. Throws RangeError or TypeError that say what is wrong. */
export function readSimConfig(argv: readonly string[]): SimConfig {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      world: { type: 'string', default: 'scale' },
      servers: { type: 'string', default: '10' },
      laptops: { type: 'string' },
      load: { type: 'string', default: '0.8' },
      seed: { type: 'string', default: '1' },
      requests: { type: 'string' },
      stale: { type: 'string', default: '2' },
      lost: { type: 'string', default: '0' },
      drift: { type: 'boolean', default: false },
      'no-cards': { type: 'boolean', default: false },
    },
  });
  const world = NAMES.find((name) => name === values.world);
  if (!world) throw new RangeError(`--world is one of ${NAMES.join(', ')}, not '${values.world}'`);
  const isScale = world === 'scale';
  if (isScale && values.drift) throw new RangeError('--drift needs a world of several models');
  const servers = within('--servers', values.servers, 1, 10_000, true);
  return {
    world,
    drift: values.drift,
    cards: !values['no-cards'],
    servers,
    laptops: within('--laptops', values.laptops ?? String(isScale ? 10 * servers : 3), 1, 1e5, true),
    load: within('--load', values.load, 0.01, 2),
    seed: within('--seed', values.seed, 0, 2 ** 32 - 1, true),
    requests: within(
      '--requests',
      values.requests ?? String(isScale ? REQUESTS : usualArrivals(WORLDS[world])),
      20,
      1e7,
      true,
    ),
    staleMs: within('--stale', values.stale, 0, 60_000),
    lost: within('--lost', values.lost, 0, 50) / 100,
  };
}

function within(flag: string, text: string, least: number, most: number, whole = false): number {
  const value = Number(text);
  if (text !== '' && value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  throw new RangeError(
    `${flag} must be a ${whole ? 'whole ' : ''}number from ${least} to ${most}, not '${text}'`,
  );
}

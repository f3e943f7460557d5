import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { usualArrivals } from '../../fleet/workload.ts';
import { WORLD_NAMES, WORLDS, type WorldName } from '../../fleet/world.ts';

/** What a run of the fleet benchmark does. */
export interface FleetConfig {
  readonly world: WorldName;
  /** See `WorkloadOptions.load`. */
  readonly loads: readonly number[];
  readonly seeds: readonly number[];
  /** Requests of each run. */
  readonly arrivals: number;
  /** Client-mode ollanas, each a laptop of its own. */
  readonly clients: number;
  /** Half-way another model becomes the popular one; the figures are those of what follows. */
  readonly drift: boolean;
  /** The machines of the GPUs tell how much memory their cards have, as those of some makers do. */
  readonly cards: boolean;
  /** Other proxies to be measured in the same run. */
  readonly also: readonly OtherProxy[];
  /** Only the simulated schedulers in virtual time: what a run would show, in a second. */
  readonly dry: boolean;
  /** File for the figures as JSON; undefined: only the tables are printed. */
  readonly json: string | undefined;
  /** Folder of the compiled sources. */
  readonly dist: string;
  readonly profile: string | undefined;
}

export interface OtherProxy {
  readonly name: string;
  readonly url: string;
}

/** More laptops than apps would have nothing to do; the largest world has eight apps. */
const MAX_CLIENTS = 8;

/** Reads what follows `fleet` on the command line. Throws RangeError or TypeError that say what is wrong. */
export function readFleetConfig(argv: readonly string[]): FleetConfig {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      world: { type: 'string', default: 'main' },
      load: { type: 'string', default: '0.6,0.8' },
      seeds: { type: 'string', default: '1,2,3' },
      arrivals: { type: 'string' },
      clients: { type: 'string', default: '3' },
      drift: { type: 'boolean', default: false },
      'no-cards': { type: 'boolean', default: false },
      also: { type: 'string', multiple: true, default: [] },
      dry: { type: 'boolean', default: false },
      json: { type: 'string' },
      dist: { type: 'string', default: 'dist' },
      profile: { type: 'string' },
    },
  });
  const world = WORLD_NAMES.find((name) => name === values.world);
  if (!world) throw new RangeError(`--world is one of ${WORLD_NAMES.join(', ')}, not '${values.world}'`);
  return {
    world,
    loads: values.load.split(',').map((text) => numberIn('--load', text, 0.05, 2)),
    seeds: values.seeds.split(',').map((text) => wholeIn('--seeds', text, 0, 2 ** 32 - 1)),
    arrivals: wholeIn(
      '--arrivals',
      values.arrivals ?? String(usualArrivals(WORLDS[world])),
      values.drift ? 6 : 1,
      100_000,
    ),
    clients: wholeIn('--clients', values.clients, 1, MAX_CLIENTS),
    drift: values.drift,
    cards: !values['no-cards'],
    also: values.also.map(otherProxy),
    dry: values.dry,
    json: values.json === undefined ? undefined : resolve(values.json),
    dist: resolve(values.dist),
    profile: values.profile === undefined ? undefined : resolve(values.profile),
  };
}

function otherProxy(text: string): OtherProxy {
  const [, name, url] = /^([^=]{1,20})=(https?:\/\/.+)$/.exec(text) ?? [];
  if (name === undefined || url === undefined) throw new RangeError(`--also is NAME=URL, not '${text}'`);
  return { name, url };
}

function numberIn(flag: string, text: string, low: number, high: number): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= low && value <= high) return value;
  throw new RangeError(`${flag} takes numbers from ${low} to ${high}, not '${text}'`);
}

function wholeIn(flag: string, text: string, low: number, high: number): number {
  const value = numberIn(flag, text, low, high);
  if (Number.isInteger(value)) return value;
  throw new RangeError(`${flag} takes whole numbers, not '${text}'`);
}

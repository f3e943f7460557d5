import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { diceOf } from '../scripts/fleet/dice.ts';

/** Draws for one case. */
export class Dice {
  readonly #roll: () => number;

  constructor(seed: number) {
    this.#roll = diceOf(seed);
  }

  /** A whole number from 0, less than `n`. */
  below(n: number): number {
    return Math.floor(this.#roll() * n);
  }

  /** True in `share` of all draws. */
  chance(share: number): boolean {
    return this.#roll() < share;
  }

  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

/** With `FUZZ_SEED=N` other cases are drawn; the seed of a failure is in its message. */
const SEED = Number(process.env.FUZZ_SEED ?? 1);

/** Which cases are drawn: the same numbers, the same case. */
export interface Surface {
  readonly name: string;
  readonly cases: number;
  /** How many run side by side; 1 unless given. */
  readonly atOnce?: number;
  /** Runs one case; throws when something is wrong with it. */
  readonly run: (dice: Dice, index: number) => void | Promise<void>;
  /** After each lot of `lot` cases; what it throws names the lot. */
  readonly afterLot?: (done: number) => void | Promise<void>;
  readonly lot?: number;
}

/** Runs all cases of a surface and tells how long that took. Rejects at the first that fails, naming seed and case. */
export async function fuzz({ name, cases, atOnce = 1, run, afterLot, lot = 500 }: Surface): Promise<void> {
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  const one = async (index: number) => {
    try {
      await run(new Dice(SEED * 1_000_003 + index), index);
    } catch (cause) {
      throw new Error(`${name}, FUZZ_SEED=${SEED}, case ${index}: ${(cause as Error).message}`, { cause });
    }
  };
  for (let from = 0; from < cases; from += lot) {
    const to = Math.min(cases, from + lot);
    let next = from;
    const worker = async () => {
      while (next < to) await one(next++);
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    try {
      await afterLot?.(to);
    } catch (cause) {
      const which = `cases ${from} to ${to - 1}`;
      throw new Error(`${name}, FUZZ_SEED=${SEED}, after ${which}: ${(cause as Error).message}`, { cause });
    }
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const { user, system } = process.cpuUsage(cpu);
  const busy = ((user + system) / 1e6).toFixed(1);
  process.stdout.write(
    `fuzz ${name}: ${cases} cases in ${seconds} s (${busy} s of processors), seed ${SEED}\n`,
  );
}

/** How often it is looked at, ms. */
const TICK_MS = 10;

/** Time as this process has had it, ms: while others have the processors, next to none passes. */
export class OwnTime {
  #ms = 0;
  #wall = performance.now();
  #cpu = process.cpuUsage();
  #longest = 0;

  constructor() {
    setInterval(() => this.now(), TICK_MS).unref();
  }

  now(): number {
    const wall = performance.now() - this.#wall;
    const { user, system } = process.cpuUsage(this.#cpu);
    const own = Math.min(wall, (user + system) / 1000 + TICK_MS);
    this.#wall += wall;
    this.#cpu = process.cpuUsage();
    this.#ms += own;
    this.#longest = Math.max(this.#longest, own);
    return this.#ms;
  }

  /** The longest that nothing else got its turn, ms, since this was asked last. */
  takeLongest(): number {
    this.now();
    const longest = this.#longest;
    this.#longest = 0;
    return longest;
  }
}

/** What may take `LIMIT_MS` of own time is waited for this long on the wall, ms. */
export const GUARD_MS = 15_000;
/** No case takes longer, from its last byte to its end, ms of own time. */
export const LIMIT_MS = 1000;

/** What bytes look like in a message. */
export function shown(bytes: Buffer | string): string {
  const text = typeof bytes === 'string' ? bytes : bytes.toString('latin1');
  return JSON.stringify(text.length > 600 ? `${text.slice(0, 600)}... (${text.length})` : text);
}

/** Bytes in use after all garbage is gone. */
export function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  gc();
  gc();
  return process.memoryUsage().heapUsed;
}

/** TCP connections that this process has open, either end of each. */
export function openSockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
}

/** `original` with one to four places changed: bytes, stretches that are cut out or doubled, its end cut off. */
export function mutated(original: Buffer, dice: Dice, likely = '{}[]",:\\ \r\n-\0'): Buffer {
  let bytes = Buffer.from(original);
  for (let times = 1 + dice.below(4); times > 0 && bytes.length > 0; times -= 1) {
    const [from = 0, to = 0] = [dice.below(bytes.length), dice.below(bytes.length)].sort((a, b) => a - b);
    const kind = dice.below(6);
    if (kind === 0) bytes[from] = dice.below(256);
    else if (kind === 1) bytes[from] = likely.charCodeAt(dice.below(likely.length));
    else if (kind === 2) bytes[from] = (bytes[from] ?? 0) ^ (1 << dice.below(8));
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
    else bytes = bytes.subarray(0, from);
  }
  return bytes;
}

/** Values that nobody means, of every type that JSON has. */
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  0.5,
  1e308,
  -1e308,
  2 ** 53,
  '',
  ' ',
  '0',
  '\u0000',
  '\u001b[2J',
  '\ud800',
  '../../etc/passwd',
  '__proto__',
  'constructor',
  '\r\nX-Evil: 1',
  'x'.repeat(5000),
  [],
  [[]],
  [null],
  {},
  { __proto__: null, length: 3 },
  JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'),
];

/** `value` with one to three of its members, at any depth, replaced, left out or doubled. */
function oddJson(value: unknown, dice: Dice): unknown {
  let changed = structuredClone(value);
  for (let times = 1 + dice.below(3); times > 0; times -= 1) changed = oddOnce(changed, dice);
  return changed;
}

function oddOnce(value: unknown, dice: Dice): unknown {
  if (typeof value !== 'object' || value === null || dice.chance(0.05)) return dice.one(ODD_VALUES);
  if (Array.isArray(value)) {
    if (value.length === 0 || dice.chance(0.2)) return [...value, dice.one(ODD_VALUES)];
    const at = dice.below(value.length);
    return value.flatMap((one, i) =>
      i !== at ? [one] : dice.chance(0.2) ? [one, one] : [oddOnce(one, dice)],
    );
  }
  const keys = Object.keys(value);
  const key = keys.length === 0 || dice.chance(0.1) ? dice.one(['__proto__x', 'more', '']) : dice.one(keys);
  const { [key]: old, ...rest } = value as Record<string, unknown>;
  if (dice.chance(0.15)) return rest;
  return { ...rest, [key]: dice.chance(0.5) ? dice.one(ODD_VALUES) : oddOnce(old, dice) };
}

/** JSON text of `value` that is odd in its members, in its bytes, or both. */
export function oddText(value: unknown, dice: Dice): Buffer {
  const text = Buffer.from(JSON.stringify(dice.chance(0.7) ? oddJson(value, dice) : value) ?? 'null');
  return dice.chance(0.4) ? mutated(text, dice) : text;
}

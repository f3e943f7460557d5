import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** What a run of the benchmark does and for how long. */
export interface BenchConfig {
  /** Which benchmark. */
  readonly name: string;
  /** File for the figures as JSON; undefined: only the table is printed. */
  readonly json: string | undefined;
  /** Folder of the build; its single modules lie beside it (`modulesOf`). */
  readonly dist: string;
  /** Folder for CPU profiles of the proxies; undefined: none are taken, as taking them costs time itself. */
  readonly profile: string | undefined;
  /** Rounds that count. */
  readonly rounds: number;
  /** Small requests of each kind, per contender and round. */
  readonly smallRequests: number;
  /** Lines of the one paced stream, per contender and round. */
  readonly pacedLines: number;
  /** Lines of the stream that runs at full speed: many arrive in one TCP segment. */
  readonly fullSpeedLines: number;
  /** Lines of each of the streams that give one line per TCP segment. */
  readonly segmentLines: number;
  readonly segmentStreams: number;
  /** How long the idle processes are watched, ms. */
  readonly idleMs: number;
}

/** The models of the simulated Ollama, by what they are for; the paces are lines a second. */
export const MODELS = {
  fullSpeed: { name: 'full-speed' },
  /** Slow enough that no line waits for another. */
  paced: { name: 'paced', tokensPerSecond: 200 },
  /** With several streams side by side the process is kept busy, yet each line is a segment of its own. */
  segments: { name: 'segments', tokensPerSecond: 500 },
} as const;

const DEFAULTS = {
  rounds: 5,
  smallRequests: 250,
  pacedLines: 150,
  fullSpeedLines: 60_000,
  segmentLines: 1500,
  segmentStreams: 16,
  idleMs: 20_000,
};

/** Reads the command line. Throws RangeError or TypeError that say what is wrong. */
export function readConfig(argv: readonly string[]): BenchConfig {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      dist: { type: 'string', default: 'dist' },
      profile: { type: 'string' },
      rounds: { type: 'string', default: String(DEFAULTS.rounds) },
      idle: { type: 'string', default: String(DEFAULTS.idleMs / 1000) },
    },
  });
  const [name = 'forward', ...more] = positionals;
  if (more.length > 0) throw new RangeError(`one benchmark at a time, not '${positionals.join(' ')}'`);
  return {
    ...DEFAULTS,
    name,
    json: values.json === undefined ? undefined : resolve(values.json),
    dist: resolve(values.dist),
    profile: values.profile === undefined ? undefined : resolve(values.profile),
    rounds: positive('--rounds', values.rounds),
    idleMs: 1000 * positive('--idle', values.idle),
  };
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new RangeError(`${flag} must be a whole number above 0, not '${text}'`);
}

import type { Environment } from './ollama-environment.ts';

/** How many requests Ollama runs at once for one model, where that is known from, and its other limits. */
export interface Parallel {
  /** 1-64. For a model see `slotsOf`. */
  readonly value: number;
  /**
   * `option`: the user said so. `process`, `service`: read from the environment of the process or service.
   * `default`: that was read and does not say. `unknown`: nothing could be read; the value is Ollama's default.
   */
  readonly source: 'option' | 'process' | 'service' | 'default' | 'unknown';
  /** Absent: not set, or not known; Ollama then takes three for each GPU. */
  readonly maxLoadedModels?: number;
  /** How long a model stays when the request does not say; Infinity = for ever. Absent: as above; 5 minutes. */
  readonly keepAliveMs?: number;
  /** Tokens. Absent: as above; Ollama then goes by the GPU's memory. */
  readonly contextLength?: number;
}

/** The most that `--parallel` takes too: no machine runs more at once, and a mistyped number must not open the gates. */
export const MOST_PARALLEL = 64;

/**
 * What is known of an Ollama: the user's word first, then its environment, then what its version does by itself.
 * Pure; never throws.
 */
export function limitsOf(facts: {
  readonly given: number | undefined;
  readonly environment: Environment | undefined;
  readonly version: string | undefined;
}): Parallel {
  const { given, environment, version } = facts;
  return { ...parallelOf(given, environment, version), ...othersOf(environment) };
}

function parallelOf(
  given: number | undefined,
  environment: Environment | undefined,
  version: string | undefined,
): Pick<Parallel, 'value' | 'source'> {
  if (given !== undefined) return { value: given, source: 'option' };
  const set = count(environment?.variables.get('OLLAMA_NUM_PARALLEL'));
  if (environment && set !== undefined)
    return { value: Math.min(set, MOST_PARALLEL), source: environment.source };
  return { value: defaultParallel(version), source: environment?.complete ? 'default' : 'unknown' };
}

function othersOf(environment: Environment | undefined): Omit<Parallel, 'value' | 'source'> {
  const maxLoadedModels = count(environment?.variables.get('OLLAMA_MAX_LOADED_MODELS'));
  const keepAliveMs = keepAlive(environment?.variables.get('OLLAMA_KEEP_ALIVE'));
  const contextLength = count(environment?.variables.get('OLLAMA_CONTEXT_LENGTH'));
  return {
    ...(maxLoadedModels === undefined ? {} : { maxLoadedModels }),
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    ...(contextLength === undefined ? {} : { contextLength }),
  };
}

/** Since 0.10 one; before, four. 0.0.0 is what an Ollama built from its sources calls itself. */
function defaultParallel(version: string | undefined): number {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  const old = Number(major) === 0 && Number(minor) > 0 && Number(minor) < 10;
  return old ? 4 : 1;
}

/** A whole number as Ollama reads it (envconfig `Uint`); 0 and nonsense mean its default, which is undefined here. */
function count(text: string | undefined): number | undefined {
  const digits = bare(text);
  return /^\d{1,15}$/.test(digits) && Number(digits) > 0 ? Number(digits) : undefined;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
/** Longer texts are no durations. */
const LONGEST_DURATION = 64;

/** A Go duration, or a bare number of seconds (envconfig `KeepAlive`); below 0 means for ever. */
function keepAlive(text: string | undefined): number | undefined {
  const value = bare(text).slice(0, LONGEST_DURATION);
  if (/^[+-]?\d+$/.test(value)) return Number(value) < 0 ? Number.POSITIVE_INFINITY : Number(value) * 1000;
  if (!/^[+-]?(\d+\.?\d*(ns|us|µs|ms|s|m|h))+$/.test(value)) return undefined;
  if (value.startsWith('-')) return Number.POSITIVE_INFINITY;
  const parts = [...value.matchAll(/(\d+\.?\d*)(ns|us|µs|ms|s|m|h)/g)];
  return parts.reduce((ms, [, amount, unit]) => ms + Number(amount) * (UNIT_MS[unit ?? ''] ?? 0), 0);
}

/** Ollama does not mind blanks and quotes around a value. */
const bare = (text: string | undefined): string => (text ?? '').trim().replace(/^["']+|["']+$/g, '');

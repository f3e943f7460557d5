/** What finished requests teach about the speed of a server with a model. Pure. Times are ms. */

/** One finished request. */
export interface CostSample {
  /** Those that the prompt cache held are among them. */
  readonly promptTokens?: number | undefined;
  /** Spent on the tokens that no cache held. */
  readonly promptMs?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly outputMs?: number | undefined;
  /** Given only when the model had to be loaded, or with `wasCold`. */
  readonly loadMs?: number | undefined;
  /** False: the model was loaded already, and what `loadMs` says is no load. */
  readonly wasCold?: boolean | undefined;
  /** How many different models ran on the GPU at once, averaged over the request's time; at least 1. */
  readonly sharing: number;
}

/** How often each quantity has been seen. */
export interface CostSeen {
  readonly decode: number;
  readonly prefill: number;
  readonly load: number;
  readonly output: number;
}

/** What a model costs at a server that runs nothing else. Undefined: not learned yet. Immutable. */
export interface Cost {
  readonly decodeMsPerToken: number | undefined;
  readonly prefillMsPerToken: number | undefined;
  readonly loadMs: number | undefined;
  /** Mean length of an answer. */
  readonly outputTokens: number | undefined;
  /** Requests that taught something. */
  readonly samples: number;
  /** 0..1 */
  readonly confidence: number;
  readonly seen: CostSeen;
}

export const NO_COST: Cost = Object.freeze({
  decodeMsPerToken: undefined,
  prefillMsPerToken: undefined,
  loadMs: undefined,
  outputTokens: undefined,
  samples: 0,
  confidence: 0,
  seen: Object.freeze({ decode: 0, prefill: 0, load: 0, output: 0 }),
});

/** What the newest sample counts for at least: half is forgotten after some four of them. */
const WEIGHT = 0.15;
/** One sample counts as at most this many times more or less than what is known. */
const MOST_CHANGE = 3;
/** A prompt read this many times faster than usual was mostly in the cache. */
const CACHED_FACTOR = 3;
/** What each of those lowers the rate by, so that one wrong slow start does not last for ever. */
const CACHED_DRIFT = 0.995;
/** Prompts before whose number the slowest one is believed: any may have been in the cache. */
const FIRST_PROMPTS = 3;
/** Shorter prompts take the time of starting, not of reading. */
const MIN_PROMPT_TOKENS = 16;
/** The first token is the end of reading the prompt. */
const MIN_OUTPUT_TOKENS = 2;
/** Faster than this nothing runs: 50 000 tokens a second written, 1 000 000 read. */
const LEAST_DECODE_MS = 0.02;
const LEAST_PREFILL_MS = 0.001;
/** Ollama tells some ms for a loaded model too. */
const LEAST_LOAD_MS = 50;
/** A load is no small part of those seen before, nor of its own request where none was. */
const LEAST_LOAD_SHARE = 0.1;
const LEAST_REQUEST_SHARE = 0.01;
/** Beyond every honest number of tokens or ms; a server may tell anything. */
const MAX_NUMBER = 1e8;
/** Samples after which confidence is 63 %. */
const CONFIDENT_SAMPLES = 4;

/** The cost with one more request in it; the same object when that taught nothing. Pure. */
export function nextCost(cost: Cost, sample: CostSample): Cost {
  const { seen } = cost;
  const decode = decodeOf(sample);
  const prefill = prefillOf(sample);
  const load = loadOf(cost, sample);
  const output = positive(sample.outputTokens);
  if (decode === undefined && prefill === undefined && load === undefined && output === undefined)
    return cost;
  const samples = cost.samples + 1;
  return {
    decodeMsPerToken: blend(cost.decodeMsPerToken, decode, seen.decode),
    prefillMsPerToken: blendPrefill(cost.prefillMsPerToken, prefill, seen.prefill),
    loadMs: blend(cost.loadMs, load, seen.load),
    outputTokens: blendLength(cost.outputTokens, output, seen.output),
    samples,
    confidence: confidenceOf(samples),
    seen: {
      decode: seen.decode + Number(decode !== undefined),
      prefill: seen.prefill + Number(prefill !== undefined),
      load: seen.load + Number(load !== undefined),
      output: seen.output + Number(output !== undefined),
    },
  };
}

/** How far what so many requests taught can be trusted, 0..1. Pure. */
export function confidenceOf(samples: number): number {
  return 1 - Math.exp(-samples / CONFIDENT_SAMPLES);
}

/**
 * A mean with one more answer length in it: 1/n at first, later older ones count less. Lengths are averaged as they
 * are, since time is proportional to them; one runaway answer counts as ten ordinary ones. Pure.
 */
function blendLength(
  known: number | undefined,
  tokens: number | undefined,
  seen: number,
): number | undefined {
  if (known === undefined || tokens === undefined) return tokens ?? known;
  return known + weight(seen) * (Math.min(tokens, 10 * Math.max(1, known)) - known);
}

function decodeOf({ outputTokens, outputMs, sharing }: CostSample): number | undefined {
  const tokens = positive(outputTokens);
  const ms = positive(outputMs);
  if (tokens === undefined || ms === undefined || tokens < MIN_OUTPUT_TOKENS) return undefined;
  const alone = ms / tokens / sharers(sharing);
  return alone >= LEAST_DECODE_MS ? alone : undefined;
}

function prefillOf({ promptTokens, promptMs, sharing }: CostSample): number | undefined {
  const tokens = positive(promptTokens);
  const ms = positive(promptMs);
  if (tokens === undefined || ms === undefined || tokens < MIN_PROMPT_TOKENS) return undefined;
  const alone = ms / tokens / sharers(sharing);
  return alone >= LEAST_PREFILL_MS ? alone : undefined;
}

function loadOf(cost: Cost, { loadMs, wasCold, promptMs, outputMs }: CostSample): number | undefined {
  const ms = positive(loadMs);
  if (ms === undefined || wasCold === false || ms < LEAST_LOAD_MS) return undefined;
  const least =
    cost.loadMs === undefined
      ? LEAST_REQUEST_SHARE * ((positive(promptMs) ?? 0) + (positive(outputMs) ?? 0))
      : LEAST_LOAD_SHARE * cost.loadMs;
  return ms >= least ? ms : undefined;
}

/** In log space, where twice and half are equally far. */
function blend(known: number | undefined, value: number | undefined, seen: number): number | undefined {
  if (known === undefined || value === undefined) return value ?? known;
  const change = Math.min(MOST_CHANGE, Math.max(1 / MOST_CHANGE, value / known));
  return known * change ** weight(seen);
}

function blendPrefill(
  known: number | undefined,
  value: number | undefined,
  seen: number,
): number | undefined {
  if (known === undefined || value === undefined) return value ?? known;
  if (seen < FIRST_PROMPTS) return Math.max(known, value);
  if (value * CACHED_FACTOR < known) return known * CACHED_DRIFT;
  // What is a little faster may have been in the cache in part.
  return value < known ? known * (value / known) ** (WEIGHT / 4) : blend(known, value, seen);
}

function weight(seen: number): number {
  return Math.max(WEIGHT, 1 / (seen + 1));
}

function sharers(sharing: number): number {
  return sharing >= 1 && sharing <= MAX_NUMBER ? sharing : 1;
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 && value <= MAX_NUMBER ? value : undefined;
}

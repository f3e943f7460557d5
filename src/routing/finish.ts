import type { ModelLoad, ModelWork, ServerLoad } from '../fleet/load.ts';
import { type LoadWeight, ORDINARY_LOAD } from './demand.ts';

/** A request, as far as its cost depends on it. */
export interface WorkAsked {
  /** `modelKey` of the model. */
  readonly model: string;
  /** Tokens to be read at this server: those that its cache does not hold, as far as known. */
  readonly promptTokens: number;
  /** Tokens it may give at most; undefined: no limit was set. */
  readonly maxOutputTokens: number | undefined;
  /** Context it asks for; undefined leaves that to Ollama. */
  readonly numCtx: number | undefined;
}

/** What a model costs where it has not been seen to run: what is known from elsewhere. ms. */
export interface AssumedCost {
  readonly decodeMsPerToken: number;
  readonly prefillMsPerToken: number;
  readonly loadMs: number;
  readonly outputTokens: number;
}

/** When a request would end at a server. Times are ms from now. */
export interface Estimate {
  /** End of the answer, plus the price of what a load would do to others: what servers are compared by. */
  readonly finishMs: number;
  /** The same, were the server to begin with it now. */
  readonly immediateMs: number;
  /** Of both, the price of the load; absent: none. */
  readonly priceMs?: number;
  /** The model is loaded with the context asked for. */
  readonly warm: boolean;
  /** It is warm and a slot is free, for which nobody waits. */
  readonly free: boolean;
}

/**
 * A load that pushes nothing out costs its time. One that does costs so many times its time and that of bringing back
 * what it pushes out: at 1 x models push each other out under load, at 2 to 3 x they settle (simulated with 2, 3, 6
 * and 12 GPUs at 50 to 85 % load); at 2 there are more than two loads for each place in memory in one run of ten.
 */
const EVICTION_PRICE = 2.5;

/** `ModelLoad.numCtx` of a model that was loaded without being told a context. */
export const AUTO_CTX = 0;

/**
 * Requests that one model runs at once are decoded together, at less than the cost of one after the other. How much
 * less has not been measured; any number above 0 has an idle server come before a busy one.
 */
const CROWDING = 0.3;

/** A model that nothing is told of. */
export const UNLOADED: ModelLoad = {
  slots: 1,
  active: 0,
  queued: 0,
  backlogMs: 0,
  recentMs: 0,
  loaded: false,
  loading: false,
  loadMs: null,
  evictsMs: 0,
  evicts: [],
  decodeMsPerToken: null,
  prefillMsPerToken: null,
  outputTokens: null,
  numCtx: null,
};

/**
 * When a request would end at a server that has this load. The models at work share the GPU equally: one with
 * work W ends after the sum over all of min(their work, W), if nothing new comes. Pure.
 */
export function estimate(
  load: ServerLoad | undefined,
  work: WorkAsked,
  assumed: AssumedCost,
  weight: LoadWeight = ORDINARY_LOAD,
): Estimate {
  const model = load?.models[work.model] ?? UNLOADED;
  const { slots, active, queued, backlogMs } = model;
  const warm = (model.loaded || model.loading) && fitsContext(model, work);
  const ownMs = serviceMs(model, work, assumed);
  const priceMs = warm ? 0 : loadPriceMs(model, assumed, weight);
  // With several slots the queue moves by as many at once.
  const aheadMs = active < slots && queued === 0 ? CROWDING * active * ownMs : backlogMs / slots;
  const atWork = load?.atWork ?? [];
  const immediateMs =
    priceMs + (warm ? shared(atWork, work.model, ownMs) : ownMs + othersMs(atWork, work.model));
  return {
    finishMs:
      aheadMs === 0
        ? immediateMs
        : Math.max(immediateMs, priceMs + shared(atWork, work.model, aheadMs + ownMs)),
    immediateMs,
    priceMs,
    warm,
    free: warm && model.loaded && active < slots && queued === 0,
  };
}

/**
 * Whoever brings a model to a GPU comes after all that waits for the others there: models share it equally, so one
 * more would take its share from them, and every request would gain by having its model loaded wherever others are
 * at work. Pure.
 */
function othersMs(atWork: readonly ModelWork[], model: string): number {
  let sum = 0;
  for (const one of atWork) if (one.model !== model) sum += one.backlogMs;
  return sum;
}

/** Time that a request takes by itself on that server's GPU, ms. Pure. */
export function serviceMs(model: ModelLoad, work: WorkAsked, assumed: AssumedCost): number {
  const answer = model.outputTokens ?? assumed.outputTokens;
  const outputTokens = Math.min(answer, work.maxOutputTokens ?? answer);
  return (
    work.promptTokens * (model.prefillMsPerToken ?? assumed.prefillMsPerToken) +
    outputTokens * (model.decodeMsPerToken ?? assumed.decodeMsPerToken)
  );
}

function loadPriceMs(
  { loadMs, evictsMs, loaded }: ModelLoad,
  assumed: AssumedCost,
  { scarcity, rush, again }: LoadWeight,
): number {
  const own = loadMs ?? assumed.loadMs;
  // Loaded, but with another context: Ollama loads it anew, and whoever uses the present one brings that back.
  const pushedOut = loaded ? Math.max(evictsMs, own) : evictsMs * scarcity;
  // The request itself waits for the load, however many others gain by it.
  return Math.max(own * again, pushedOut > 0 ? EVICTION_PRICE * (own + pushedOut) * rush : 0);
}

/** Ollama loads a model anew for any other `num_ctx`, and for none after one that was given (`needsReload`). */
function fitsContext({ numCtx }: ModelLoad, work: WorkAsked): boolean {
  return numCtx === null || numCtx === (work.numCtx ?? AUTO_CTX);
}

/** When work of a model ends on a GPU that the models at work share, if nothing new comes, ms. Pure. */
export function shared(atWork: readonly ModelWork[], model: string, mineMs: number): number {
  let sum = mineMs;
  for (const one of atWork) if (one.model !== model) sum += Math.min(one.backlogMs, mineMs);
  return sum;
}

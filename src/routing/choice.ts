import type { PolicyName } from '../config.ts';
import type { Costs } from '../fleet/costs.ts';
import type { ModelLoad } from '../fleet/load.ts';
import type { ServerFacts } from '../fleet/pool.ts';
import type { PrefixMark } from '../ollama/prefix-hashes.ts';
import type { Affinity } from './affinity.ts';
import { assumedCost } from './assumed-cost.ts';
import type { Balance } from './balance.ts';
import { candidates } from './candidates.ts';
import { contextSent } from './context.ts';
import { type Demand, weightOf } from './demand.ts';
import type { Desk, Job } from './desk.ts';
import { detour } from './detour.ts';
import { type AssumedCost, estimate } from './finish.ts';
import type { FleetSpeeds } from './fleet-speeds.ts';
import { standsIn, tierOf } from './policy.ts';
import type { Option } from './valuation.ts';

/** A request that wants a seat. */
export interface Wanted {
  readonly modelKey: string;
  /** All of the prompt's tokens, cached somewhere or not. */
  readonly promptTokens: number;
  readonly maxOutputTokens: number | undefined;
  readonly numCtx: number | undefined;
  readonly marks: readonly PrefixMark[];
  /** Who shares a turn in a queue. */
  readonly device: string;
  /** The only servers that may take it, by id; absent: any. */
  readonly among?: ReadonlySet<string>;
}

export interface ChoiceOptions {
  readonly deskOf: (server: ServerFacts) => Desk;
  readonly costs: Costs;
  readonly affinity: Affinity;
  readonly speeds: FleetSpeeds;
  readonly demand: Demand;
  readonly balance: Balance;
  readonly policy: PolicyName;
  /** A context that the loaded model covers is asked for as it is loaded; absent: no. */
  readonly protectContext?: boolean | undefined;
  /** A number from 0 up to 1, anew at every call. */
  readonly dice: () => number;
  /** Requests of ours that run at each server, by its id. */
  readonly inFlight: ReadonlyMap<string, number>;
  /** Address of the server that is preferred unless another is clearly sooner; undefined: none is. */
  readonly homeUrl?: string | undefined;
}

/**
 * The servers that may take a request, with what is expected of each. For the policies that do not ask when a
 * request would end it is only the one they name. `all` are those that are known: what any
 * of them tells bears on what the others are worth.
 */
export function optionsFor(
  choice: ChoiceOptions,
  servers: readonly ServerFacts[],
  wanted: Wanted,
  now: number,
  all: readonly ServerFacts[],
): Option[] {
  const { modelKey } = wanted;
  choice.demand.read(all, now);
  const able = candidates(servers, modelKey, choice.demand.holders(modelKey));
  if (choice.policy === 'fastest' || choice.policy === 'race')
    return optionsAt(choice, able, all, wanted, now);
  const [one] = able
    .map((server, index) => ({
      server,
      tier: tierOf(server, modelKey),
      key: policyKey(choice, server, index),
    }))
    .sort((a, b) => a.tier - b.tier || a.key - b.key);
  return one ? optionsAt(choice, [one.server], all, wanted, now) : [];
}

function policyKey(
  { policy, dice, inFlight }: ChoiceOptions,
  { deviceId }: ServerFacts,
  index: number,
): number {
  if (policy === 'random') return dice();
  return policy === 'least-busy' ? (inFlight.get(deviceId) ?? 0) : index;
}

function optionsAt(
  choice: ChoiceOptions,
  able: readonly ServerFacts[],
  all: readonly ServerFacts[],
  wanted: Wanted,
  now: number,
): Option[] {
  const { modelKey: model, device, promptTokens, maxOutputTokens, numCtx } = wanted;
  // To most servers the prompt is new, and there may be a thousand of them.
  const job = { model, device, promptTokens: Math.max(1, promptTokens), maxOutputTokens, numCtx };
  return able.map((server) => optionAt(choice, server, all, wanted, job, now));
}

function optionAt(
  choice: ChoiceOptions,
  server: ServerFacts,
  all: readonly ServerFacts[],
  wanted: Wanted,
  jobAnew: Job,
  now: number,
): Option {
  const { deskOf, affinity, homeUrl, protectContext } = choice;
  const { modelKey, marks } = wanted;
  const { deviceId } = server;
  const desk = deskOf(server);
  const load = desk.load(modelKey);
  const row = load?.models[modelKey];
  const numCtx = protectContext ? contextSent(wanted.numCtx, modelKey, server, load) : wanted.numCtx;
  // What a server has read of a prompt goes with its model.
  const inMemory = row?.loaded ?? server.loadedKeys.has(modelKey);
  if (!inMemory) affinity.forget(deviceId, modelKey);
  const cached = inMemory ? affinity.cachedTokens(deviceId, modelKey, marks, now) : 0;
  const promptTokens = Math.max(1, wanted.promptTokens - cached);
  const isAnew = promptTokens === jobAnew.promptTokens && numCtx === jobAnew.numCtx;
  const job = isAnew ? jobAnew : { ...jobAnew, promptTokens, numCtx };
  const cost = tellsCost(row) ? NOTHING_TO_GUESS : guessedCost(choice, server, all, modelKey, now);
  const weight = weightOf(choice.demand, modelKey, load, (evicts) =>
    choice.balance.factor(all, deviceId, modelKey, evicts, now),
  );
  const expected = estimate(load, job, cost, weight);
  const isAway = homeUrl !== undefined && server.url !== homeUrl;
  return {
    deviceId,
    desk,
    job,
    tier: tierOf(server, modelKey),
    standsIn: standsIn(server),
    estimate: isAway ? detour(expected, server.latencyMs) : expected,
  };
}

/** What a model is thought to cost at a server that does not tell, or not all of it. */
function guessedCost(
  { costs, speeds }: ChoiceOptions,
  { deviceId, tags }: ServerFacts,
  all: readonly ServerFacts[],
  modelKey: string,
  now: number,
): AssumedCost {
  const size = tags?.find(({ key }) => key === modelKey)?.raw.size;
  return assumedCost(
    costs.of(deviceId, modelKey),
    { ...costs.ofModelAnywhere(modelKey), ...speeds.guess(all, deviceId, modelKey, now) },
    typeof size === 'number' ? size : undefined,
  );
}

/** Stands in where a server tells all that a model costs. */
const NOTHING_TO_GUESS: AssumedCost = {
  decodeMsPerToken: 0,
  prefillMsPerToken: 0,
  loadMs: 0,
  outputTokens: 0,
};

/** Whether a server tells all that a model costs; what a load takes is asked only of one that is not loaded. Pure. */
export function tellsCost(row: ModelLoad | undefined): boolean {
  if (!row || row.decodeMsPerToken === null || row.prefillMsPerToken === null || row.outputTokens === null)
    return false;
  return row.loaded || row.loadMs !== null;
}

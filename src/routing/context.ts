import type { ServerLoad } from '../fleet/load.ts';
import type { ServerFacts } from '../fleet/pool.ts';
import { AUTO_CTX } from './finish.ts';

/** What to do with the context size of a request so that a server need not load its model anew. */
export type ContextPlan =
  | { readonly type: 'keep' }
  /** Leave it out: the model was loaded without one. */
  | { readonly type: 'drop' }
  /** Ask for this one, which the model has, tokens. */
  | { readonly type: 'set'; readonly tokens: number };

const KEEP: ContextPlan = { type: 'keep' };

/**
 * What to do with `wanted` tokens of context at a server. What is larger than what the model is loaded with is kept.
 * Without a number Ollama keeps a model as it is only if that was loaded without one as well; after a given one it
 * keeps it for the very same number alone. Pure.
 */
export function planContext(
  wanted: number,
  modelKey: string,
  server: Pick<ServerFacts, 'ps'>,
  load: Pick<ServerLoad, 'models'> | undefined,
): ContextPlan {
  const listed = server.ps?.find(({ key }) => key === modelKey)?.raw.context_length;
  const told = load?.models[modelKey];
  const given = told?.loaded ? told.numCtx : null;
  const loaded = given === null || given === AUTO_CTX ? listed : given;
  if (typeof loaded !== 'number' || wanted > loaded) return KEEP;
  if (given === AUTO_CTX) return { type: 'drop' };
  return wanted === loaded ? KEEP : { type: 'set', tokens: loaded };
}

/** The context that a server is asked for after that, tokens; undefined leaves it to Ollama. Pure. */
export function contextSent(
  wanted: number | undefined,
  ...at: [modelKey: string, server: Pick<ServerFacts, 'ps'>, load: Pick<ServerLoad, 'models'> | undefined]
): number | undefined {
  if (wanted === undefined) return undefined;
  const plan = planContext(wanted, ...at);
  if (plan.type === 'drop') return undefined;
  return plan.type === 'set' ? plan.tokens : wanted;
}

import type { ServerFacts } from '../fleet/pool.ts';
import { isLoaded, mayHold, tierOf } from './policy.ts';

/** Reliable servers that would have to load the model are looked at up to about so many: one of them is as good. */
const COLD_LOOKED_AT = 64;
/** With fewer servers all are looked at. */
const MANY = 2 * COLD_LOOKED_AT;

/**
 * The servers that may have a model and that a decision looks at. In a large fleet most of them would have to load
 * it: of those every so-many-th is enough, as the best of 64 is among the best twentieth of all with a probability
 * of 96 %. All that have it in memory (`holders`, by id) are looked at, and where few are reliable all that are doubted
 * or unknown. Which ones depends on the order of `servers` and hardly on their state, so that a request that waits
 * stays with its own. Pure.
 */
export function candidates(
  servers: readonly ServerFacts[],
  modelKey: string,
  holders: ReadonlySet<string>,
): readonly ServerFacts[] {
  if (servers.length > MANY) {
    const some = sample(servers, modelKey, holders);
    if (some) return some;
  }
  const able = servers.filter((server) => mayHold(server, modelKey));
  if (able.length <= MANY) return able;
  let cold = 0;
  const isCold = able.map((server) => {
    const is = tierOf(server, modelKey) === 0 && !isLoaded(server, modelKey);
    if (is) cold += 1;
    return is;
  });
  const step = Math.ceil(cold / COLD_LOOKED_AT);
  return able.filter((_, place) => !isCold[place] || place % step === 0);
}

/**
 * What is likely to be the answer without a look at every server, which takes most of a decision among a thousand;
 * undefined where too few of them are reliable and have the model.
 */
function sample(
  servers: readonly ServerFacts[],
  modelKey: string,
  holders: ReadonlySet<string>,
): readonly ServerFacts[] | undefined {
  const step = Math.ceil(servers.length / COLD_LOOKED_AT);
  const some = servers.filter(
    (server, place) => (place % step === 0 || holders.has(server.deviceId)) && mayHold(server, modelKey),
  );
  const first = some.reduce((count, server) => count + Number(tierOf(server, modelKey) === 0), 0);
  return first < COLD_LOOKED_AT / 2 ? undefined : some;
}

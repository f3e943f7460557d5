import type { Pool, PoolServer } from '../fleet/pool.ts';
import { splitInputs, splitIsFaster } from '../ollama/embed-split.ts';
import type { EmbedSpeed } from './embed-rates.ts';
import { rank } from './policy.ts';

/** What one server is to do of a split request. */
export interface Share {
  readonly server: PoolServer;
  readonly inputs: number;
}

/** Inputs that a part has at least while speeds are guessed: fewer are not worth a request of their own. */
const MIN_GUESSED_PART = 8;
/** Inputs from which a server is to load the model although nobody knows how long that takes. */
const MIN_BLIND_LOAD = 64;
/** Servers that share one request, at most; each holds a connection and part of the answer. */
const MAX_SHARES = 8;
/** What a split costs besides, seconds: a request's own time at one more Ollama, and reading the answers twice. */
const EXTRA_S = 0.02;

/**
 * The reliable servers that may take parts of a request for this model, best first: those with the very copy that
 * the whole request would be sent to, without this machine's own Ollama, which runs what nobody else can. Pure.
 */
export function embedHolders(pool: Pool, modelKey: string): readonly PoolServer[] {
  const holders = rank(pool, { modelKey, tried: new Set(), turn: 0 })
    .map(({ server }) => server)
    .filter(({ verdict, kind }) => verdict.state === 'reliable' && kind !== 'local');
  const digestOf = (server: PoolServer) => server.tags?.find(({ key }) => key === modelKey)?.digest ?? '';
  const [best] = holders;
  const digest = best ? digestOf(best) : '';
  return digest === '' ? [] : holders.filter((server) => digestOf(server) === digest);
}

/**
 * How `count` inputs are shared among `holders`, best holder first; undefined when one server is expected to be done
 * as soon. A server without the model in memory joins when its load is known and worth it, or when it is idle and the
 * batch is long; the first one joins anyway, as it would get the whole request. Pure.
 */
export function planEmbed(
  count: number,
  holders: readonly PoolServer[],
  modelKey: string,
  speedOf: (server: PoolServer) => EmbedSpeed,
): readonly Share[] | undefined {
  const known = holders.map(speedOf);
  const rates = known.flatMap(({ rate }) => rate ?? []);
  const slowest = rates.length > 0 ? Math.min(...rates) : undefined;
  const guessed = known.some(({ rate }) => rate === undefined);
  const runners = holders.flatMap((server, index): Runner[] => {
    const { rate, loadS } = known[index] ?? {};
    const loaded = server.loadedKeys.has(modelKey);
    const blind = !loaded && loadS === undefined;
    if (blind && index > 0 && (server.inFlight > 0 || count < MIN_BLIND_LOAD)) return [];
    // Requests take turns at an embedding model, so each gets its share of the speed.
    const speed = (rate ?? slowest ?? 1) / (1 + server.inFlight);
    return [{ server, speed, loadS: loaded ? 0 : (loadS ?? 0) }];
  });
  let sharing = runners.slice(0, MAX_SHARES);
  while (sharing.length > 1) {
    const weights = usefulSpeeds(count, sharing);
    const useful = sharing.filter((_, index) => (weights[index] ?? 0) > 0);
    if (useful.length < sharing.length) {
      sharing = useful;
      continue;
    }
    const sizes = splitInputs(count, weights);
    const least = guessed ? MIN_GUESSED_PART : 1;
    const faster = splitIsFaster(count, weights, slowest === undefined ? 0 : EXTRA_S);
    if (faster && sizes.length === sharing.length && sizes.every((size) => size >= least)) {
      return sharing.map(({ server }, index) => ({ server, inputs: sizes[index] ?? 0 }));
    }
    // Perhaps without the slowest; of equals the last one goes, as it would be chosen last.
    const weakest = weights.lastIndexOf(Math.min(...weights));
    sharing = sharing.filter((_, index) => index !== weakest);
  }
  return undefined;
}

interface Runner {
  readonly server: PoolServer;
  /** Inputs a second; where no speed is known at all, relative to the others. */
  readonly speed: number;
  readonly loadS: number;
}

/**
 * Inputs a second that each does from now to the common end if all end together, its load taken into account; 0 for
 * one that would still be loading then. Pure.
 */
function usefulSpeeds(count: number, runners: readonly Runner[]): number[] {
  const byLoad = runners.toSorted((a, b) => a.loadS - b.loadS);
  let speeds = 0;
  let lost = 0;
  let endS = Number.POSITIVE_INFINITY;
  for (const { speed, loadS } of byLoad) {
    if (loadS >= endS) break;
    speeds += speed;
    lost += speed * loadS;
    endS = (count + lost) / speeds;
  }
  return runners.map(({ speed, loadS }) => Math.max(0, speed * (1 - loadS / endS)));
}

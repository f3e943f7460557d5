/**
 * Learns what fits into a GPU's memory from what `/api/ps` shows before and after a model was loaded, where nothing
 * tells how much there is. Pure. Sizes are in bytes, as Ollama gives them.
 */

/** One loaded model. */
export interface Loaded {
  /** See `modelKey`. */
  readonly key: string;
  readonly size: number;
}

/** One loaded model, and when it will go by itself: milliseconds since 1970, Infinity = never. */
export interface LoadedUntil extends Loaded {
  readonly expiresAt: number;
}

/** One that may have to make room. */
export interface Evictable extends LoadedUntil {
  /** Whether requests run on it: it goes only when they have ended. */
  readonly busy: boolean;
  /** The keep_alive of its last request, ms, if known. */
  readonly keepAliveMs?: number;
}

/** What a change of `/api/ps` means. */
export interface MemoryChange {
  /** Those in memory now. */
  readonly loaded: readonly Loaded[];
  /** Those that went before their time: pushed out, if something came. */
  readonly evicted: readonly Loaded[];
  /** Those of `loaded` that have just come. */
  readonly loadedNew: readonly Loaded[];
}

/** What has been seen of one server. Immutable. */
export interface MemoryLearning {
  /** Most bytes, and most models, seen in memory together. */
  readonly heldBytes: number;
  readonly heldCount: number;
  /** Fewest bytes, and fewest models, that were too many. Infinity: not seen. */
  readonly tooManyBytes: number;
  readonly tooManyCount: number;
}

export const NO_MEMORY_KNOWN: MemoryLearning = Object.freeze({
  heldBytes: 0,
  heldCount: 0,
  tooManyBytes: Number.POSITIVE_INFINITY,
  tooManyCount: Number.POSITIVE_INFINITY,
});

/** A model this near to its end may have gone by itself between two looks, which are up to 5 s apart; ms. */
const NEAR_END_MS = 10_000;
/** Ollama keeps three models for each GPU unless it is told otherwise. */
const LEAST_COUNT_LIMIT = 3;

/**
 * What happened between two looks at `/api/ps`, the later one at `nowMs` (milliseconds since 1970 by the server's
 * clock). A model whose time was up is not among the evicted, nor is one in `unloaded`: keys that somebody unloaded
 * or deleted. One that came with another size was loaded anew.
 */
export function changeBetween(
  before: readonly LoadedUntil[],
  after: readonly Loaded[],
  nowMs: number,
  unloaded: ReadonlySet<string> = new Set(),
): MemoryChange {
  const sizeBefore = new Map(before.map(({ key, size }) => [key, size]));
  const keysNow = new Set(after.map(({ key }) => key));
  return {
    loaded: after,
    evicted: before.filter(
      ({ key, expiresAt }) => !keysNow.has(key) && !unloaded.has(key) && expiresAt - nowMs > NEAR_END_MS,
    ),
    loadedNew: after.filter(({ key, size }) => sizeBefore.get(key) !== size),
  };
}

/**
 * The state after a change. What is in memory together fits, whatever was believed before. When something came and
 * something went, all of it together was too much. For the memory, unless as many bytes have been held before: then
 * for the number of models that Ollama keeps, unless as many have been held before too: then there is less memory
 * than there was, because other programs use it.
 */
export function observe(state: MemoryLearning, { loaded, evicted, loadedNew }: MemoryChange): MemoryLearning {
  const held = hold(state, sum(loaded), loaded.length);
  if (evicted.length === 0 || loadedNew.length === 0) return held;
  const together = [...loaded, ...evicted];
  const bytes = sum(together);
  const count = together.length;
  const tooManyBytes = Math.min(held.tooManyBytes, bytes);
  const tooManyCount = Math.min(held.tooManyCount, count);
  if (bytes <= held.heldBytes)
    return count <= held.heldCount
      ? { ...held, heldBytes: sum(loaded), tooManyBytes: bytes }
      : { ...held, tooManyCount };
  const mayBeCount = count > LEAST_COUNT_LIMIT && count > held.heldCount;
  return { ...held, tooManyBytes, ...(mayBeCount ? { tooManyCount } : {}) };
}

/** So much is in memory together; a bound that this contradicts is dropped. */
function hold(state: MemoryLearning, bytes: number, count: number): MemoryLearning {
  const heldBytes = Math.max(state.heldBytes, bytes);
  const heldCount = Math.max(state.heldCount, count);
  return {
    heldBytes,
    heldCount,
    tooManyBytes: state.tooManyBytes > heldBytes ? state.tooManyBytes : Number.POSITIVE_INFINITY,
    tooManyCount: state.tooManyCount > heldCount ? state.tooManyCount : Number.POSITIVE_INFINITY,
  };
}

/** Whether a model of `newSize` fits beside those of `loadedSizes`, as far as has been seen. */
export function fits(
  state: MemoryLearning,
  loadedSizes: readonly number[],
  newSize: number,
): 'yes' | 'no' | 'unknown' {
  // Ollama loads a model alone whatever its size, and leaves to main memory what the GPU cannot hold.
  if (loadedSizes.length === 0) return 'yes';
  const bytes = loadedSizes.reduce((all, size) => all + size, newSize);
  const count = loadedSizes.length + 1;
  if (bytes <= state.heldBytes && count <= state.heldCount) return 'yes';
  return bytes >= state.tooManyBytes || count >= state.tooManyCount ? 'no' : 'unknown';
}

/**
 * The keys of those that would make room for a model of `newSize`, in the order in which Ollama evicts them, until
 * it fits or may fit (`judge` tells, by default what has been seen): idle ones first, then busy ones, each by when it
 * expires.
 *
 * Ollama really goes by the keep_alive of the last request and then by the name of a file (`ByDurationAndName` in
 * server/sched.go), which `/api/ps` does not show: where keep_alive is known of all, it comes first.
 */
export function victims(
  state: MemoryLearning,
  loaded: readonly Evictable[],
  newSize: number,
  judge = (left: readonly Evictable[]) =>
    fits(
      state,
      left.map(({ size }) => size),
      newSize,
    ),
): string[] {
  const left = [...loaded].sort(
    inOrderOfEviction(loaded.every(({ keepAliveMs }) => keepAliveMs !== undefined)),
  );
  const gone: string[] = [];
  while (judge(left) === 'no') {
    const first = left.shift();
    if (!first) break;
    gone.push(first.key);
  }
  return gone;
}

function inOrderOfEviction(byKeepAlive: boolean): (a: Evictable, b: Evictable) => number {
  return (a, b) =>
    Number(a.busy) - Number(b.busy) ||
    (byKeepAlive ? compare(a.keepAliveMs ?? 0, b.keepAliveMs ?? 0) : 0) ||
    compare(a.expiresAt, b.expiresAt) ||
    (a.key < b.key ? -1 : 1);
}

/** Infinity minus Infinity is no number. */
const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);

const sum = (models: readonly Loaded[]): number => models.reduce((all, { size }) => all + size, 0);

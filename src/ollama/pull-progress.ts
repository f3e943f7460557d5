/** How far a pull has come; immutable. */
export interface PullProgress {
  readonly state: 'running' | 'done' | 'failed';
  /** What Ollama last said it is doing, or why it failed. */
  readonly status: string;
  /** Bytes of the parts heard of so far. */
  readonly total: number;
  readonly completed: number;
  /** By digest. */
  readonly parts: ReadonlyMap<string, { readonly total: number; readonly completed: number }>;
  /** What has come from where: the name of a server, or '' for the internet. */
  readonly sources: ReadonlyMap<string, Come>;
  /** When the last line came, ms on whatever clock; undefined before the first. */
  readonly heardAt: number | undefined;
}

/** Bytes that have come, and how long they took, ms. */
export interface Come {
  readonly bytes: number;
  readonly ms: number;
}

/** A model has some ten parts; a server that names more than this is not counted further. */
const MAX_PARTS = 1000;
/** A model comes from some servers at most. */
const MAX_SOURCES = 20;

/** A pull of which nothing has been heard. */
export const PULL_BEGUN: PullProgress = Object.freeze({
  state: 'running',
  status: 'waiting',
  total: 0,
  completed: 0,
  parts: new Map(),
  sources: new Map(),
  heardAt: undefined,
});

/** The progress after one more NDJSON line, which came at `now`. Only the `success` line makes it done. Never throws. Pure. */
export function advance(before: PullProgress, line: string, now: number): PullProgress {
  if (before.state !== 'running') return before;
  const progress = { ...before, heardAt: now };
  const said = read(line);
  if (!said) return failed(progress, 'the server answered with something that is no progress');
  if (typeof said.error === 'string') return failed(progress, said.error);
  if (said.status === 'success') return { ...progress, state: 'done', status: 'success' };
  const status = typeof said.status === 'string' ? said.status : progress.status;
  const { digest } = said;
  if (typeof digest !== 'string' || (progress.parts.size >= MAX_PARTS && !progress.parts.has(digest)))
    return { ...progress, status };
  const known = progress.parts.get(digest);
  const part = known ?? { total: 0, completed: 0 };
  const total = bytesIn(said.total) ?? part.total;
  // The line that begins a part has no `completed`.
  const completed = Math.min(bytesIn(said.completed) ?? part.completed, total);
  const parts = new Map(progress.parts).set(digest, { total, completed });
  const from = typeof said.from === 'string' ? said.from : '';
  // What the first line about a part has for the internet was there already: Ollama keeps what it has.
  const bytes = known || from !== '' ? completed - part.completed : 0;
  const sources = come(progress.sources, from, bytes, now - (before.heardAt ?? now));
  return {
    ...progress,
    status,
    parts,
    sources,
    total: progress.total - part.total + total,
    completed: progress.completed - part.completed + completed,
  };
}

function come(
  sources: PullProgress['sources'],
  from: string,
  bytes: number,
  ms: number,
): PullProgress['sources'] {
  const known = sources.get(from);
  if (bytes <= 0 || (!known && sources.size >= MAX_SOURCES)) return sources;
  return new Map(sources).set(from, { bytes: (known?.bytes ?? 0) + bytes, ms: (known?.ms ?? 0) + ms });
}

/** The progress when the answer has ended: without a `success` line nothing was installed. Pure. */
export function ended(progress: PullProgress): PullProgress {
  return progress.state === 'running'
    ? failed(progress, 'the answer broke off before it was done')
    : progress;
}

/** The progress of a pull that failed for a reason told otherwise. Pure. */
export function failed(progress: PullProgress, reason: string): PullProgress {
  return { ...progress, state: 'failed', status: reason };
}

function read(line: string): Record<string, unknown> | undefined {
  try {
    const said: unknown = JSON.parse(line);
    return typeof said === 'object' && said !== null ? (said as Record<string, unknown>) : undefined;
  } catch {
    // Said to the user as a failure of the pull.
    return undefined;
  }
}

const bytesIn = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;

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
}

/** A model has some ten parts; a server that names more than this is not counted further. */
const MAX_PARTS = 1000;

/** A pull of which nothing has been heard. */
export const PULL_BEGUN: PullProgress = Object.freeze({
  state: 'running',
  status: 'waiting',
  total: 0,
  completed: 0,
  parts: new Map(),
});

/** The progress after one more NDJSON line. Only the `success` line makes it done. Never throws. Pure. */
export function advance(progress: PullProgress, line: string): PullProgress {
  if (progress.state !== 'running') return progress;
  const said = read(line);
  if (!said) return failed(progress, 'the server answered with something that is no progress');
  if (typeof said.error === 'string') return failed(progress, said.error);
  if (said.status === 'success') return { ...progress, state: 'done', status: 'success' };
  const status = typeof said.status === 'string' ? said.status : progress.status;
  const { digest } = said;
  if (typeof digest !== 'string' || (progress.parts.size >= MAX_PARTS && !progress.parts.has(digest)))
    return { ...progress, status };
  const before = progress.parts.get(digest) ?? { total: 0, completed: 0 };
  const total = bytesIn(said.total) ?? before.total;
  // The line that begins a part has no `completed`.
  const completed = Math.min(bytesIn(said.completed) ?? before.completed, total);
  const parts = new Map(progress.parts).set(digest, { total, completed });
  return {
    ...progress,
    status,
    parts,
    total: progress.total - before.total + total,
    completed: progress.completed - before.completed + completed,
  };
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

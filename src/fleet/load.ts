/** What a server tells of one model. Times are ms. */
export interface ModelLoad {
  /** Requests that run at once when it is loaded. */
  readonly slots: number;
  readonly active: number;
  readonly queued: number;
  /** Work left of what runs and waits, were the GPU its alone. */
  readonly backlogMs: number;
  /** Work done for it lately, of the GPU alone: what was done 15 s ago counts half. 0 where it is not told. */
  readonly recentMs: number;
  readonly loaded: boolean;
  readonly loading: boolean;
  readonly loadMs: number | null;
  /** What loading it now would push out, load times summed. */
  readonly evictsMs: number;
  /** What that would be, by `modelKey`; empty where it is not told. */
  readonly evicts: readonly string[];
  readonly decodeMsPerToken: number | null;
  readonly prefillMsPerToken: number | null;
  /** Mean length of its answers. */
  readonly outputTokens: number | null;
  /** Context it was loaded for, as asked; 0: Ollama's own choice; null: unknown. */
  readonly numCtx: number | null;
}

/** Work left of a model: `backlogMs` of its row, which is above 0. */
export interface ModelWork {
  readonly model: string;
  readonly backlogMs: number;
}

/** What runs and waits at a server, by `modelKey`. */
export interface ServerLoad {
  readonly models: Readonly<Record<string, ModelLoad>>;
  /** Those with work left: few of the many that a server may have, and all that a choice looks at besides its own. */
  readonly atWork: readonly ModelWork[];
}

/** The load that these models make together. Pure. */
export function serverLoad(models: Readonly<Record<string, ModelLoad>>): ServerLoad {
  const atWork: ModelWork[] = [];
  for (const model in models) {
    const backlogMs = models[model]?.backlogMs ?? 0;
    if (backlogMs > 0) atWork.push({ model, backlogMs });
  }
  return { models, atWork };
}

/** Seats taken at a server that does not tell of them yet: of which model, and their work, ms. */
export interface TakenSeat {
  readonly model: string;
  readonly workMs: number;
}

/** What a server told, with these seats counted: they run, and are work. Models that it did not tell of stay so. Pure. */
export function withTaken(told: ServerLoad, taken: readonly TakenSeat[]): ServerLoad {
  if (taken.length === 0) return told;
  const models: Record<string, ModelLoad> = { ...told.models };
  for (const { model, workMs } of taken) {
    const known = models[model];
    if (known) models[model] = { ...known, active: known.active + 1, backlogMs: known.backlogMs + workMs };
  }
  return serverLoad(models);
}

/** A machine stores fewer models; a hostile one gets no further. */
const MAX_MODELS = 512;
/** A model that pushes out more is not told of, or lies. */
const MAX_EVICTED = 16;
/** A longer name is nobody's. */
const MAX_NAME = 512;
const NO_NAMES: readonly string[] = [];

/** What a peer tells of its load, as far as it makes sense; undefined when it is no such thing. Never throws. Pure. */
export function readLoad(value: unknown): ServerLoad | undefined {
  const told = object(object(value)?.models);
  if (!told) return undefined;
  // Without a prototype: a model may be called as one likes.
  const models: Record<string, ModelLoad> = Object.create(null);
  let count = 0;
  for (const key in told) {
    if (count >= MAX_MODELS) break;
    const row = object(told[key]);
    if (!row || key.length > MAX_NAME) continue;
    count += 1;
    models[key] = {
      slots: Math.max(1, number(row.slots) ?? 1),
      active: number(row.active) ?? 0,
      queued: number(row.queued) ?? 0,
      backlogMs: number(row.backlogMs) ?? 0,
      recentMs: number(row.recentMs) ?? 0,
      loaded: row.loaded === true,
      loading: row.loading === true,
      loadMs: number(row.loadMs),
      evictsMs: number(row.evictsMs) ?? 0,
      evicts: names(row.evicts),
      decodeMsPerToken: number(row.decodeMsPerToken),
      prefillMsPerToken: number(row.prefillMsPerToken),
      outputTokens: number(row.outputTokens),
      numCtx: number(row.numCtx),
    };
  }
  return serverLoad(models);
}

function object(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Record<string, unknown>;
}

function names(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return NO_NAMES;
  const all = value.slice(0, MAX_EVICTED).filter((one) => typeof one === 'string' && one.length <= MAX_NAME);
  return all.length === 0 ? NO_NAMES : all;
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

/** How fast a server has been with a model. */
export interface EmbedSpeed {
  /** Inputs a second once the model is loaded; undefined until seen. */
  readonly rate: number | undefined;
  /** Seconds that loading takes; undefined until seen. */
  readonly loadS: number | undefined;
}

/** A finished embed request. */
export interface EmbedRun {
  readonly inputs: number;
  /** From sending it to the last byte of its answer, ms. */
  readonly ms: number;
  /** Nothing else of ours ran there meanwhile when it began. */
  readonly alone: boolean;
  /** The model was loaded when it began. */
  readonly loaded: boolean;
}

/** Sums over the runs of the past, older ones counting less. */
export interface EmbedHistory {
  readonly inputs: number;
  readonly seconds: number;
  readonly loadS: number | undefined;
}

/** What a run counts for once the next has come: half after three, so that a changed machine shows soon. */
const KEEP = 0.8;
/** Pairs of server and model; the ones longest without a run are forgotten. */
const MAX_PAIRS = 1000;

/**
 * The history with one more run in it. A run beside others says nothing about speed; of one that had to load the
 * model, what it took longer than the inputs at the known rate was the load. Long runs count more than short ones,
 * whose time is mostly not spent on inputs. Pure.
 */
export function withRun(history: EmbedHistory | undefined, run: EmbedRun): EmbedHistory | undefined {
  const seconds = run.ms / 1000;
  if (!run.alone || run.inputs < 1 || !(seconds > 0)) return history;
  if (run.loaded) {
    return {
      inputs: KEEP * (history?.inputs ?? 0) + run.inputs,
      seconds: KEEP * (history?.seconds ?? 0) + seconds,
      loadS: history?.loadS,
    };
  }
  if (!history) return undefined;
  const loadS = Math.max(0, seconds - (run.inputs * history.seconds) / history.inputs);
  const before = history.loadS ?? loadS;
  return { ...history, loadS: KEEP * before + (1 - KEEP) * loadS };
}

/** What finished embed requests have shown of each server's speed with each model. */
export class EmbedRates {
  readonly #histories = new Map<string, EmbedHistory>();

  /** Learns from a finished request. */
  note(deviceId: string, modelKey: string, run: EmbedRun): void {
    const key = keyOf(deviceId, modelKey);
    const history = withRun(this.#histories.get(key), run);
    if (!history) return;
    this.#histories.delete(key);
    this.#histories.set(key, history);
    const [oldest] = this.#histories.keys();
    if (this.#histories.size > MAX_PAIRS && oldest !== undefined) this.#histories.delete(oldest);
  }

  speed(deviceId: string, modelKey: string): EmbedSpeed {
    const history = this.#histories.get(keyOf(deviceId, modelKey));
    return { rate: history && history.inputs / history.seconds, loadS: history?.loadS };
  }
}

function keyOf(deviceId: string, modelKey: string): string {
  return `${deviceId} ${modelKey}`;
}

import { modelKey } from '../ollama/names.ts';
import type { ObservedEvent } from './event-stream.ts';

/** What has ended at one server for one model. */
export interface EndedCount {
  readonly done: number;
  readonly failed: number;
}

/** Servers times models counted apart; the one not heard of for longest makes room. */
const MAX_COUNTED = 2000;

/** Counts what has ended since the start, by server and model. */
export class EndedTally {
  readonly #counts = new Map<string, EndedCount>();

  /** A listener of the event stream. */
  readonly count = (event: ObservedEvent): void => {
    if (event.type !== 'request-ended' || event.model === undefined || event.server === undefined) return;
    if (!event.isUse) return;
    const key = keyOf(event.server, modelKey(event.model));
    const { done, failed } = this.#counts.get(key) ?? NOTHING;
    const isDone = event.outcome === 'completed' && (event.status ?? 500) < 400;
    const isFailed = !isDone && event.outcome !== 'client-left';
    this.#counts.delete(key);
    this.#counts.set(key, { done: done + (isDone ? 1 : 0), failed: failed + (isFailed ? 1 : 0) });
    const [oldest] = this.#counts.keys();
    if (this.#counts.size > MAX_COUNTED && oldest !== undefined) this.#counts.delete(oldest);
  };

  /** `model` is a `modelKey`. */
  of = (server: string, model: string): EndedCount => this.#counts.get(keyOf(server, model)) ?? NOTHING;
}

const NOTHING: EndedCount = { done: 0, failed: 0 };

function keyOf(server: string, model: string): string {
  return JSON.stringify([server, model]);
}

import type { Clock } from '../clock.ts';
import type { ObservedEvent } from '../observe/event-stream.ts';
import type { RunningView } from './view.ts';

/** As many as a large terminal has lines for. */
const MOST_SHOWN = 40;
/** Longer texts are of no use in a line of a table. */
const MAX_TEXT = 300;

interface Attempt {
  readonly number: number;
  readonly at: number;
  readonly model: string | undefined;
  readonly server: string;
}

/** What this daemon has sent to servers and has not ended, for whoever looks on. */
export class Running {
  readonly #clock: Clock;
  /** The newest attempt of each request, by id: no more than there are open requests, which have a limit. */
  readonly #attempts = new Map<string, Attempt>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A listener of the event stream. Bound. */
  readonly note = (event: ObservedEvent): void => {
    if (event.type === 'attempt-began') {
      const { id, attempt: number, model, server } = event;
      // Lists and the like are over before anybody has read of them.
      if (model !== undefined) this.#attempts.set(id, { number, at: this.#clock.wall(), model, server });
    } else if (event.type === 'attempt-ended') {
      // In a race, one that has lost ends after the next has begun.
      if (this.#attempts.get(event.id)?.number === event.attempt) this.#attempts.delete(event.id);
    } else if (event.type === 'request-ended') this.#attempts.delete(event.id);
  };

  /** The oldest first. */
  requests(): readonly RunningView[] {
    const shown = [...this.#attempts].slice(0, MOST_SHOWN);
    return shown.map(([id, { at, model, server }]) => ({
      id,
      at,
      model: model?.slice(0, MAX_TEXT) ?? null,
      server: server.slice(0, MAX_TEXT),
    }));
  }
}

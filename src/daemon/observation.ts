import type { Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import { EventStream } from '../observe/event-stream.ts';
import type { Log } from '../observe/log.ts';
import { narrate } from '../observe/narrate.ts';
import type { Exchange } from '../proxy/exchange.ts';

export interface ObservationOptions {
  readonly clock: Clock;
  readonly log: Log;
}

/** Wires those who observe a daemon to what happens in it, and the paths where they show it. */
export class Observation implements AsyncDisposable {
  readonly events: EventStream;
  readonly #paths: readonly ((exchange: Exchange) => boolean)[] = [];

  constructor({ clock, log }: ObservationOptions) {
    this.events = new EventStream((error) =>
      log.error('an observer failed, requests go on', { reason: reasonOf(error) }),
    );
    this.events.listen(narrate(log, clock));
  }

  /** Answers the paths that show what was observed; returns false for all others. Bound. */
  readonly answers = (exchange: Exchange): boolean => this.#paths.some((answers) => answers(exchange));

  /** Writes what is still to be kept. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {}
}

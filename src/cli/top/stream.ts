import { type ClientRequest, get } from 'node:http';
import type { Cancel, Clock } from '../../clock.ts';
import type { DaemonState } from '../../daemon/state-file.ts';
import { reasonOf } from '../../errors.ts';
import { eventReader } from '../../fleet/feed-reader.ts';
import { afterEvent, type Known, type Link } from './known.ts';

/** The daemon says something every 10 s, at least. */
const SILENCE_MS = 25_000;
/** It is on this machine: to ask costs nothing. */
const AGAIN_MS = 1000;

export interface LiveStreamOptions {
  /** Where the daemon is now; undefined while it does not run. */
  readonly find: () => DaemonState | undefined;
  readonly clock: Clock;
  /** Something is another than before. */
  readonly onChange: () => void;
}

/** What the daemon tells its dashboard, kept up to date; looked for again when it is gone. */
export class LiveStream implements Disposable {
  readonly #options: LiveStreamOptions;
  #known: Known = {};
  #link: Link = { type: 'connecting' };
  #request: ClientRequest | undefined;
  #heardAt = 0;
  #again: Cancel | undefined;
  readonly #stopLooking: Cancel;

  constructor(options: LiveStreamOptions) {
    this.#options = options;
    this.#stopLooking = options.clock.every(AGAIN_MS, () => {
      if (this.#request && options.clock.now() - this.#heardAt > SILENCE_MS) this.#lose('it is silent');
    });
    this.#open();
  }

  get known(): Known {
    return this.#known;
  }

  get link(): Link {
    return this.#link;
  }

  #open(): void {
    const { find, clock, onChange } = this.#options;
    const daemon = find();
    if (!daemon) {
      this.#lose('it does not run');
      return;
    }
    this.#heardAt = clock.now();
    const request = get(`${daemon.url}/dashboard/events`, {
      agent: false,
      headers: { Accept: 'text/event-stream' },
    });
    this.#request = request;
    const lose = (reason: string) => {
      if (this.#request === request) this.#lose(reason);
    };
    request.on('error', (error) => lose(reasonOf(error)));
    request.on('response', (response) => {
      if (response.statusCode !== 200) return lose(`it answers HTTP ${response.statusCode}`);
      const read = eventReader(clock, (name, data) => {
        this.#known = afterEvent(this.#known, name, JSON.parse(data));
        this.#link = { type: 'live' };
        if (name !== 'beat') onChange();
      });
      response.on('data', (chunk: Buffer) => {
        this.#heardAt = clock.now();
        try {
          if (this.#request === request) read(chunk);
        } catch (error) {
          lose(reasonOf(error));
        }
      });
      response.on('error', (error) => lose(reasonOf(error)));
      response.on('close', () => lose('it has closed the connection'));
    });
  }

  /** Keeps what was known: it is still the best there is. */
  #lose(reason: string): void {
    const { clock, onChange } = this.#options;
    const since = this.#link.type === 'lost' ? this.#link.since : clock.wall();
    this.#close();
    this.#link = { type: 'lost', since, reason };
    this.#again = clock.after(AGAIN_MS, () => this.#open());
    onChange();
  }

  #close(): void {
    this.#again?.();
    const request = this.#request;
    this.#request = undefined;
    // What it was about to say is not waited for, nor why it did not.
    request?.destroy();
  }

  /** Asks no more. */
  [Symbol.dispose](): void {
    this.#stopLooking();
    this.#close();
  }
}

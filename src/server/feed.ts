import type { ServerResponse } from 'node:http';
import type { Cancel, Clock } from '../clock.ts';
import { isOwnAddress, type OnLimit } from '../limits.ts';

/** Peers take a stream that has been still for 2.8 s for dead; two beats may be late. */
const BEAT_MS = 1250;
/** Load changes with every request that comes or goes; a choice is no better for knowing it sooner. */
const COALESCE_MS = 20;
/** Each is a socket and a few hundred bytes; whoever finds it full asks from time to time, as of a plain Ollama. */
const MAX_WATCHERS = 256;
/** Those of one address: each ollana there has one, and so has each open page. */
const MAX_PER_PEER = 32;
/** Seconds after which somebody who found it full may try again. */
const RETRY_AFTER_S = 30;
/** Unsent bytes, beyond one whole set of events, that a watcher may let pile up before it is cut. */
const MAX_UNSENT = 1024 * 1024;

const BEAT = Buffer.from(': beat\n\n');
const BYE = 'event: bye\ndata: {}\n\n';
const COALESCED: ReadonlySet<string> = new Set(['load']);

/** What was last sent of one event. */
interface Latest {
  readonly text: string;
  /** As it goes to every watcher. */
  readonly bytes: Buffer;
}

/**
 * Tells every watcher what changes here, as server-sent events: the latest of each event at once, then each
 * change, and beats. A change is made into bytes once, however many watch.
 */
export class Feed implements Disposable {
  readonly #clock: Clock;
  readonly #latest = new Map<string, Latest>();
  readonly #watchers = new Set<ServerResponse>();
  readonly #perPeer = new Map<string, number>();
  /** Values that wait for their turn, by event; the key alone says that the event was sent just now. */
  readonly #held = new Map<string, { value: unknown } | undefined>();
  readonly #timers = new Map<string, Cancel>();
  #stopBeats: Cancel = () => {};
  #latestBytes = 0;
  #over = false;

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  /** Watchers now. */
  get watchers(): number {
    return this.#watchers.size;
  }

  /** Tells `value`, which must be plain JSON, unless it is what was told last. `load` is told at most every 20 ms. */
  publish(event: string, value: unknown): void {
    if (this.#over) return;
    if (this.#held.has(event)) this.#held.set(event, { value });
    else if (this.#send(event, value) && COALESCED.has(event)) this.#hold(event);
  }

  /**
   * Makes `response` a watcher until it closes; answers 503 when it is over, or when there are too many, in all or of
   * one other machine, of which `onLimit` is told.
   */
  add(response: ServerResponse, onLimit: OnLimit = () => {}): void {
    if (this.#over) {
      refuse(response, 'this ollana is shutting down');
      return;
    }
    const peer = response.req.socket.remoteAddress ?? '';
    const own = isOwnAddress(peer) ? 0 : (this.#perPeer.get(peer) ?? 0);
    if (this.#watchers.size >= MAX_WATCHERS || own >= MAX_PER_PEER) {
      const isOwn = own >= MAX_PER_PEER;
      onLimit({ type: 'limit-reached', limit: isOwn ? 'watchers-per-peer' : 'watchers', peer });
      const others = isOwn ? `${own} streams of ${peer}` : `${MAX_WATCHERS} others`;
      refuse(response, `${others} watch already: close one, or ask for the lists instead`);
      return;
    }
    this.#perPeer.set(peer, (this.#perPeer.get(peer) ?? 0) + 1);
    // A stream has the connection to its end; keeping it open after that would only delay a shutdown.
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      Connection: 'close',
    });
    response.write(Buffer.concat([BEAT, ...[...this.#latest.values()].map(({ bytes }) => bytes)]));
    this.#watchers.add(response);
    if (this.#watchers.size === 1) this.#stopBeats = this.#clock.every(BEAT_MS, () => this.#tell(BEAT));
    response.once('close', () => {
      this.#watchers.delete(response);
      const left = (this.#perPeer.get(peer) ?? 0) - 1;
      if (left > 0) this.#perPeer.set(peer, left);
      else this.#perPeer.delete(peer);
      if (this.#watchers.size === 0) this.#stopBeats();
    });
  }

  /** Returns whether there was anything new. */
  #send(event: string, value: unknown): boolean {
    const text = JSON.stringify(value);
    const before = this.#latest.get(event);
    if (before?.text === text) return false;
    const bytes = Buffer.from(`event: ${event}\ndata: ${text}\n\n`);
    this.#latest.set(event, { text, bytes });
    this.#latestBytes += bytes.length - (before?.bytes.length ?? 0);
    this.#tell(bytes);
    return true;
  }

  #hold(event: string): void {
    this.#held.set(event, undefined);
    const release = () => {
      const waiting = this.#held.get(event);
      this.#held.delete(event);
      this.#timers.delete(event);
      if (waiting) this.publish(event, waiting.value);
    };
    this.#timers.set(event, this.#clock.after(COALESCE_MS, release));
  }

  #tell(bytes: Buffer): void {
    // A watcher is owed one whole set when it comes, however large; what piles up beyond that is its own doing.
    const limit = MAX_UNSENT + this.#latestBytes;
    for (const watcher of this.#watchers) {
      if (watcher.writableLength > limit) watcher.destroy();
      else watcher.write(bytes);
    }
  }

  /** Says goodbye to all and closes; watchers that come later are refused. */
  [Symbol.dispose](): void {
    this.#over = true;
    this.#stopBeats();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    this.#held.clear();
    for (const watcher of this.#watchers) watcher.end(BYE);
  }
}

function refuse(response: ServerResponse, error: string): void {
  const body = JSON.stringify({ error });
  response.writeHead(503, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Retry-After': String(RETRY_AFTER_S),
  });
  response.end(body);
}

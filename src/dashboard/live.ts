import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Cancel, Clock } from '../clock.ts';
import { Ring } from './ring.ts';

/** A person sees no difference; and however much happens, the view is made no more often, for all pages together. */
const COALESCE_MS = 200;
/** What nobody tells of, such as a queue elsewhere, is looked at so often while a page is open. */
const LOOK_MS = 1000;
/** Pages take a stream that is still for 25 s for dead. */
const BEAT_MS = 10_000;
/** Each is a socket and its part of every change; whoever has more pages open does not look at them. */
const MAX_WATCHERS = 100;
/** Unsent bytes beyond a whole view that a page may let pile up before it is cut. */
const MAX_UNSENT = 1024 * 1024;

const BEAT = Buffer.from('event: beat\ndata: {}\n\n');

export interface LiveOptions {
  readonly clock: Clock;
  /** All that is shown now, by key; plain JSON. */
  readonly see: () => Readonly<Record<string, unknown>>;
}

/**
 * Tells every open page what changes, as server-sent events: the whole once, then what is another than before. The
 * view is made and compared once for all pages. Whoever comes back soon gets what it missed.
 */
export class Live implements Disposable {
  readonly #options: LiveOptions;
  /** Of this run: ids of another one say nothing. */
  readonly #run = randomUUID().slice(0, 8);
  readonly #ring = new Ring();
  readonly #watchers = new Set<ServerResponse>();
  /** What was told last, as JSON, by key. */
  #told: ReadonlyMap<string, string> = new Map();
  #toldBytes = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #timers: readonly Cancel[] = [];
  #next: Cancel | undefined;
  #over = false;

  constructor(options: LiveOptions) {
    this.#options = options;
  }

  /** Pages that are open now. */
  get watchers(): number {
    return this.#watchers.size;
  }

  /** Something has happened: has the view looked at soon, if anybody does. Bound. */
  readonly touch = (): void => {
    if (this.#next || this.#watchers.size === 0) return;
    const dueMs = Math.max(0, this.#lookedAt + COALESCE_MS - this.#options.clock.now());
    this.#next = this.#options.clock.after(dueMs, () => this.#look());
  };

  /** Has `response` told of everything until it closes; `lastId` is what it was told last. 503 when there are too many. */
  add(response: ServerResponse, lastId: string | undefined): void {
    if (this.#over || this.#watchers.size >= MAX_WATCHERS) {
      full(response);
      return;
    }
    if (this.#options.clock.now() - this.#lookedAt >= COALESCE_MS) this.#look();
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      Connection: 'close',
    });
    response.write('retry: 500\n\n');
    for (const frame of this.#missed(lastId) ?? [this.#snapshot()]) response.write(frame);
    this.#watchers.add(response);
    if (this.#watchers.size === 1) this.#begin();
    response.once('close', () => {
      this.#watchers.delete(response);
      if (this.#watchers.size === 0) this.#end();
    });
  }

  #missed(lastId: string | undefined): readonly Buffer[] | undefined {
    const [run, number] = lastId?.split('.') ?? [];
    return run === this.#run ? this.#ring.after(Number(number)) : undefined;
  }

  #snapshot(): Buffer {
    const rows = [...this.#told].map(([key, text]) => `${JSON.stringify(key)}:${text}`);
    return this.#frame('snapshot', this.#ring.last, `{"set":{${rows.join(',')}},"gone":[]}`);
  }

  #frame(event: string, number: number, data: string): Buffer {
    return Buffer.from(`id: ${this.#run}.${number}\nevent: ${event}\ndata: ${data}\n\n`);
  }

  #begin(): void {
    const { clock } = this.#options;
    this.#timers = [clock.every(LOOK_MS, this.touch), clock.every(BEAT_MS, () => this.#tell(BEAT))];
  }

  #end(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers = [];
    this.#next?.();
    this.#next = undefined;
  }

  #look(): void {
    this.#next?.();
    this.#next = undefined;
    this.#lookedAt = this.#options.clock.now();
    const seen = new Map(
      Object.entries(this.#options.see()).map(([key, value]) => [key, JSON.stringify(value)]),
    );
    const rows = [...seen].filter(([key, text]) => this.#told.get(key) !== text);
    const gone = [...this.#told.keys()].filter((key) => !seen.has(key));
    if (rows.length === 0 && gone.length === 0) return;
    this.#told = seen;
    this.#toldBytes = [...seen.values()].reduce((sum, text) => sum + text.length, 0);
    const set = rows.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',');
    const data = `{"set":{${set}},"gone":${JSON.stringify(gone)}}`;
    this.#tell(this.#ring.add((number) => this.#frame('delta', number, data)));
  }

  #tell(bytes: Buffer): void {
    for (const watcher of this.#watchers) {
      if (watcher.writableLength > MAX_UNSENT + this.#toldBytes) watcher.destroy();
      else watcher.write(bytes);
    }
  }

  /** Ends all streams; pages that come later are refused. */
  [Symbol.dispose](): void {
    this.#over = true;
    this.#end();
    for (const watcher of this.#watchers) watcher.end();
  }
}

function full(response: ServerResponse): void {
  const body = JSON.stringify({ error: `${MAX_WATCHERS} dashboards are open already: close one` });
  const headers = { 'Content-Type': 'application/json; charset=utf-8', 'Retry-After': '30' };
  response.writeHead(503, { ...headers, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

import { begun, follow, type Pull } from './pulling.tsx';
import { messageOf, type Order, Refused, send } from './send.tsx';
import type { Store } from './store.tsx';

/** What is being done to a model at a server, or why it was not done. */
export interface Doing {
  readonly what: 'unload' | 'delete';
  readonly error: string | undefined;
}

/** A server that an order is for. */
export interface Holder {
  readonly name: string;
  readonly url: string;
}

/** A browser keeps six connections to one address, and the page needs some itself. */
const MOST_PULLS = 3;
/** Pulls that have ended are shown until there are more than these. */
const MOST_SHOWN = 10;

/** What the reader has told servers to do with models. It goes on when another tab is shown, and ends with the page. */
export class Orders implements Store {
  readonly #listeners = new Set<() => void>();
  readonly #stops = new Map<number, AbortController>();
  readonly #doings = new Map<string, Doing>();
  #pulls: readonly Pull[] = [];
  #count = 0;
  #said = '';
  #key = '';
  #asksKey = false;

  /** The newest first. */
  get pulls(): readonly Pull[] {
    return this.#pulls;
  }

  /** What was done last, for those who listen. */
  get said(): string {
    return this.#said;
  }

  /** An API key is required, and this is what has been typed. */
  get key(): string {
    return this.#key;
  }

  get asksKey(): boolean {
    return this.#asksKey;
  }

  set key(key: string) {
    this.#key = key;
    this.#tell();
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  doing(holder: Holder, model: string): Doing | undefined {
    return this.#doings.get(`${holder.url} ${model}`);
  }

  /** Pulls to a server, or to where most memory is free. Returns why not, where it cannot be begun. */
  pull(model: string, to: Holder | undefined): string | undefined {
    if (this.#stops.size >= MOST_PULLS)
      return `${MOST_PULLS} models are being pulled: wait for one, or cancel it`;
    this.#count += 1;
    const id = this.#count;
    const stop = new AbortController();
    this.#stops.set(id, stop);
    const pull = begun(id, model, to?.name ?? 'the server with most free memory');
    this.#pulls = [pull, ...this.#pulls].filter((one, at) => at < MOST_SHOWN || this.#stops.has(one.id));
    this.#tell();
    const order = { method: 'POST', url: '/api/pull', body: { model }, signal: stop.signal } as const;
    const begin = () => this.#send(to ? { ...order, server: to.url } : order);
    void follow(pull, begin, stop.signal, (now) => {
      this.#pulls = this.#pulls.map((one) => (one.id === id ? now : one));
      if (now.progress.state !== 'running') this.#stops.delete(id);
      if (now.progress.state === 'done') this.#said = `${model} has been pulled to ${now.where}`;
      this.#tell();
    });
    return undefined;
  }

  /** Ends a pull, at its server too. */
  cancel(id: number): void {
    this.#stops.get(id)?.abort();
  }

  unload(at: Holder, model: string): Promise<void> {
    const body = { model, keep_alive: 0, stream: false };
    return this.#do(at, model, 'unload', { method: 'POST', url: '/api/generate', body });
  }

  remove(at: Holder, model: string): Promise<void> {
    return this.#do(at, model, 'delete', { method: 'DELETE', url: '/api/delete', body: { model } });
  }

  async #do(at: Holder, model: string, what: Doing['what'], order: Order): Promise<void> {
    const row = `${at.url} ${model}`;
    this.#doings.set(row, { what, error: undefined });
    this.#tell();
    try {
      await (await this.#send({ ...order, server: at.url })).text();
      this.#doings.delete(row);
      this.#said = `${model} has been ${what === 'delete' ? 'deleted from' : 'unloaded on'} ${at.name}`;
    } catch (error) {
      this.#doings.set(row, { what, error: messageOf(error) });
    }
    this.#tell();
  }

  async #send(order: Order): Promise<Response> {
    try {
      return await send({ ...order, key: this.#key });
    } catch (error) {
      if (error instanceof Refused && error.status === 401) this.#asksKey = true;
      throw error;
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

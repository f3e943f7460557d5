import type { Clock } from '../clock.ts';
import type { ModelUse, Usage } from '../observe/recommend/recommend.ts';
import type { Traces } from '../observe/traces.ts';
import { modelKey } from '../ollama/names.ts';

/** The file is first asked after this long, ms: an ollana that runs for a moment need not open it. */
const FIRST_AFTER_MS = 60_000;
/** What is advised by the use of weeks need not be newer, ms. */
const RENEW_EVERY_MS = 10 * 60_000;

/** What is kept of the use of models, as of some minutes ago: whoever wants it cannot wait for the disk. */
export class PastUsage implements Disposable {
  readonly #traces: Pick<Traces, 'ask'>;
  readonly #clock: Clock;
  readonly #stops: (() => void)[] = [];
  #usage: Usage | undefined;

  constructor(traces: Pick<Traces, 'ask'>, clock: Clock) {
    this.#traces = traces;
    this.#clock = clock;
    const renew = () => void this.#renew().catch(() => {}); // The log says what is wrong with the file.
    this.#stops.push(clock.after(FIRST_AFTER_MS, renew), clock.every(RENEW_EVERY_MS, renew));
  }

  /** Undefined until the file has been read. Bound. */
  readonly usage = (): Usage | undefined => this.#usage;

  [Symbol.dispose](): void {
    for (const stop of this.#stops) stop();
  }

  async #renew(): Promise<void> {
    const all = { since: 0, offsetMin: 0 };
    const models = await this.#traces.ask({ type: 'usage', query: { ...all, by: 'model' } });
    const [oldest] = await this.#traces.ask({ type: 'usage', query: { ...all, by: 'day' } });
    if (!oldest) return;
    const uses = new Map<string, ModelUse>();
    for (const { key, requests, lastHourMs } of models) {
      // `llama3` and `llama3:latest` are one.
      const before = uses.get(modelKey(key));
      uses.set(modelKey(key), {
        requests: requests + (before?.requests ?? 0),
        lastUsedMs: Math.max(lastHourMs, before?.lastUsedMs ?? 0),
      });
    }
    this.#usage = { reachMs: this.#clock.wall() - Date.parse(oldest.key), models: uses };
  }
}

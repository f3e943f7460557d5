import type { Clock } from '../clock.ts';
import type { ObservedEvent } from '../observe/event-stream.ts';
import type { RequestEnded } from '../proxy/events.ts';
import type { PulseView, RequestView } from './view.ts';

/** One step of the pulse, ms. */
export const PULSE_MS = 5000;
/** Five minutes. */
const STEPS = 60;
/** As many as a page shows without being scrolled. */
const MOST_RECENT = 20;
/** Longer texts are of no use in a line of a table. */
const MAX_TEXT = 300;

/** What ended in the last minutes, for a page that is opened. */
export class Recent {
  readonly #clock: Clock;
  #requests: readonly RequestView[] = [];
  readonly #steps = new Map<number, { requests: number; tokens: number; failed: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A listener of the event stream. Bound. */
  readonly note = (event: ObservedEvent): void => {
    if (event.type !== 'request-ended' || event.routeClass !== 'inference') return;
    const at = this.#clock.wall();
    const tokens = event.counters?.outputTokens ?? null;
    const cut = (text: string | undefined) => text?.slice(0, MAX_TEXT) ?? null;
    const seen = {
      id: event.id,
      at,
      model: cut(event.model),
      server: cut(event.server),
      outcome: event.outcome,
      durationMs: Math.round(event.durationMs),
      firstByteMs: event.firstByteMs === undefined ? null : Math.round(event.firstByteMs),
      tokens,
      tokensPerS: speedOf(event),
      app: cut(event.app),
      error: cut(event.error),
    };
    this.#requests = [seen, ...this.#requests].slice(0, MOST_RECENT);
    const step = Math.floor(at / PULSE_MS);
    const sum = this.#steps.get(step) ?? { requests: 0, tokens: 0, failed: 0 };
    sum.requests += 1;
    sum.tokens += tokens ?? 0;
    sum.failed += ['failed', 'incomplete'].includes(event.outcome) ? 1 : 0;
    this.#steps.set(step, sum);
    // A clock that jumps leaves steps behind; there are never more than are shown.
    const [oldest] = this.#steps.keys();
    if (this.#steps.size > STEPS && oldest !== undefined) this.#steps.delete(oldest);
  };

  /** The newest first. */
  requests(): readonly RequestView[] {
    return this.#requests;
  }

  pulse(): PulseView {
    const now = Math.floor(this.#clock.wall() / PULSE_MS);
    const steps = Array.from({ length: STEPS }, (_, i) => this.#steps.get(now - STEPS + 1 + i));
    return {
      at: now * PULSE_MS,
      requests: steps.map((step) => step?.requests ?? 0),
      tokens: steps.map((step) => step?.tokens ?? 0),
      failed: steps.map((step) => step?.failed ?? 0),
    };
  }
}

/** In less time than this, ms, an answer came in one piece: what passed meanwhile says nothing of its making. */
const ONE_PIECE_MS = 50;

/** Tokens a second as Ollama counts them; where it does not tell times, by how long the answer took to come. Pure. */
function speedOf({ counters, durationMs, firstByteMs }: RequestEnded): number | null {
  const { outputTokens = 0, outputMs } = counters ?? {};
  const ms = outputMs ?? durationMs - (firstByteMs ?? durationMs);
  if (outputTokens < 2 || ms <= (outputMs === undefined ? ONE_PIECE_MS : 0)) return null;
  return Math.round((outputTokens / ms) * 10_000) / 10;
}

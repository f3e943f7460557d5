import type { Clock } from '../clock.ts';
import type { Costs } from '../fleet/costs.ts';
import type { ServerLoad } from '../fleet/load.ts';
import type { ServerFacts } from '../fleet/pool.ts';
import { assumedCost } from '../routing/assumed-cost.ts';
import type { Desk, Job, Seat, SeatResult, Ticket, TicketEvents } from '../routing/desk.ts';
import { serviceMs, UNLOADED } from '../routing/finish.ts';
import { Admission } from './admission.ts';
import { MemoryBook } from './memory-book.ts';
import { ParallelBook } from './parallel-book.ts';

export interface LocalDeskOptions {
  readonly clock: Clock;
  readonly deviceId: string;
  readonly facts: () => ServerFacts | undefined;
  readonly costs: Costs;
  /** Requests of a model that this Ollama runs at once; undefined: nobody knows, so it is found out. */
  readonly slots: (model: string, facts: ServerFacts | undefined) => number | undefined;
  /** Bytes of each of its graphics cards; absent, or empty: nobody knows. */
  readonly cards?: (facts: ServerFacts | undefined) => readonly number[];
  readonly onChange: () => void;
  /** Reads the lists of this Ollama again: a model may have been loaded. */
  readonly refresh: () => void;
}

/** The queue of an Ollama that has none which anybody could see: kept by this process. */
export class LocalDesk implements Desk {
  readonly #options: LocalDeskOptions;
  readonly #admission: Admission;
  readonly #memory: MemoryBook;
  readonly #parallel: ParallelBook;

  constructor(options: LocalDeskOptions) {
    const { clock, facts, slots, cards, onChange } = options;
    this.#options = options;
    this.#memory = new MemoryBook();
    this.#parallel = new ParallelBook(clock);
    this.#admission = new Admission({
      clock,
      onChange,
      onMemory: () => this.#options.refresh(),
      facts: {
        slots: (model) => slots(model, facts()) ?? this.#parallel.slots(model),
        victims: (model, loaded) => {
          const known = facts();
          return this.#memory.victims(model, loaded, known, cards?.(known));
        },
        loadMs: (model) => this.#cost(model).loadMs,
        workMs: (job) => serviceMs(UNLOADED, job, this.#cost(job.model)),
        speeds: (model) => {
          const { decodeMsPerToken, prefillMsPerToken, outputTokens, loadMs } = this.#own(model);
          return {
            decodeMsPerToken: decodeMsPerToken ?? null,
            prefillMsPerToken: prefillMsPerToken ?? null,
            outputTokens: outputTokens ?? null,
            loadMs: loadMs ?? null,
          };
        },
        learn: (model, result, crowd, cold) => this.#learn(model, result, crowd, cold),
      },
    });
  }

  load(model?: string): ServerLoad {
    return this.#admission.load(model === undefined ? this.#options.facts()?.modelKeys : [model]);
  }

  take(job: Job): Seat | undefined {
    const seat = this.#admission.take(job);
    return seat && this.#watched(job.model, seat);
  }

  open(job: Job, events: TicketEvents): Ticket {
    const onSeat = (seat: Seat) => events.onSeat(this.#watched(job.model, seat));
    const ticket = this.#admission.open(job, { ...events, onSeat });
    if (this.#isUnknown(job.model) && this.#parallel.waiting(job.model, this.#admission.queued(job.model)))
      this.#admission.review();
    return ticket;
  }

  /** The lists of this Ollama have been read, as they were at `asOf` on the clock. */
  sync(facts: ServerFacts, asOf: number): void {
    if (!facts.ps) return;
    this.#memory.observe(facts, this.#admission.loading, this.#options.clock.wall());
    this.#admission.sync(facts.loadedKeys, asOf);
  }

  /** Lets in whoever can run now: the number of slots may have changed. */
  review(): void {
    this.#parallel.clear();
    this.#admission.review();
  }

  #isUnknown(model: string): boolean {
    return this.#options.slots(model, this.#options.facts()) === undefined;
  }

  #watched(model: string, seat: Seat): Seat {
    return this.#isUnknown(model) ? this.#parallel.watch(model, seat) : seat;
  }

  #own(model: string) {
    return this.#options.costs.of(this.#options.deviceId, model);
  }

  #cost(model: string) {
    const { costs, facts } = this.#options;
    const size = sizeOf(facts(), model);
    const elsewhere = costs.ofModelAnywhere(model);
    const { outputTokens = costs.usualLength() } = elsewhere;
    return assumedCost(this.#own(model), { ...elsewhere, outputTokens }, size);
  }

  #learn(
    model: string,
    { counters, streamed, firstByteMs, totalMs }: SeatResult,
    crowd: number,
    cold: boolean,
  ): void {
    const { costs, deviceId, refresh } = this.#options;
    if (cold) refresh();
    if (!counters) return;
    const { promptMs, outputMs } = counters;
    // The protocols of others count tokens but not time; of a whole answer nobody sees when it began.
    const seen = streamed && firstByteMs !== undefined ? firstByteMs : undefined;
    costs.learn(deviceId, model, {
      ...counters,
      promptMs: promptMs ?? (cold ? undefined : seen),
      outputMs: outputMs ?? (seen === undefined ? undefined : totalMs - seen),
      loadMs: cold ? counters.loadMs : undefined,
      sharing: crowd,
    });
  }
}

function sizeOf(facts: ServerFacts | undefined, model: string): number | undefined {
  const size = facts?.tags?.find(({ key }) => key === model)?.raw.size;
  return typeof size === 'number' && size > 0 ? size : undefined;
}

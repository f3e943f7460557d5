import type { Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import { type MdnsPacket, type MdnsSocket, openMdnsSocket } from './mdns.ts';
import type { MdnsPlace } from './mdns-near.ts';
import { MAX_RECORDS, type MdnsQuestion } from './mdns-records.ts';
import type { OnNotice } from './notice.ts';
import { RateLimit } from './rate-limit.ts';
import { Recent } from './recent.ts';

export interface MdnsSocketsOptions {
  readonly port: number;
  readonly clock: Clock;
  /** A response that a socket got, whatever interface it came by. Must not throw. */
  readonly onPacket: (packet: MdnsPacket, place: MdnsPlace) => void;
  readonly onNotice: OnNotice;
}

/**
 * What one socket takes in a second. A packet is decoded before we see it: one of 1500 bytes that is made to be
 * slow takes some 5 ms, one of 64 kB up to 250. A busy network of a hundred hosts has a few dozen packets a second.
 */
const PER_SECOND = { packets: 200, garbage: 5, monsters: 2 };

/** Who gets more than that, or could not be opened, is away for so long. */
const REST_MS = 10_000;

/** Sockets that rest at once: more than there are places. */
const MAX_RESTING = 64;

/** One mDNS socket for each interface and family. What cannot be opened is tried again; a flood closes it for 10 s. */
export class MdnsSockets implements AsyncDisposable {
  readonly #options: MdnsSocketsOptions;
  readonly #sockets = new Map<string, { readonly place: MdnsPlace; readonly socket: MdnsSocket }>();
  readonly #resting: Recent<true>;
  readonly #packetRate: RateLimit;
  readonly #garbageRate: RateLimit;
  readonly #monsterRate: RateLimit;
  /** Places whose failure was said. */
  readonly #said = new Set<string>();
  #busy: Promise<readonly MdnsPlace[]> = Promise.resolve([]);
  #disposed = false;

  constructor(options: MdnsSocketsOptions) {
    const { clock } = options;
    this.#options = options;
    this.#resting = new Recent({ clock, ttlMs: REST_MS, max: MAX_RESTING });
    this.#packetRate = new RateLimit(clock, PER_SECOND.packets);
    this.#garbageRate = new RateLimit(clock, PER_SECOND.garbage);
    this.#monsterRate = new RateLimit(clock, PER_SECOND.monsters);
  }

  /** Opens and closes until there is a socket for each place that does not rest; gives the new ones. Never rejects. */
  sync(places: readonly MdnsPlace[]): Promise<readonly MdnsPlace[]> {
    this.#busy = this.#busy.then(() => this.#sync(places));
    return this.#busy;
  }

  /** Asks on one interface, or on all. Resolves when the questions have left or cannot. */
  async ask(questions: readonly MdnsQuestion[], only?: string): Promise<void> {
    const asking = [...this.#sockets.values()].filter(
      ({ place }) => only === undefined || place.interface === only,
    );
    await Promise.all(
      asking.map(async ({ place, socket }) => this.#note(place, await socket.ask(questions), 'send-failed')),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await this.sync([]);
  }

  async #sync(places: readonly MdnsPlace[]): Promise<readonly MdnsPlace[]> {
    const wanted = new Map((this.#disposed ? [] : places).map((place) => [keyOf(place), place]));
    const closing = [...this.#sockets].filter(([key]) => !wanted.has(key));
    for (const [key] of closing) {
      this.#sockets.delete(key);
      this.#said.delete(key);
    }
    await Promise.all(closing.map(([, { socket }]) => socket[Symbol.asyncDispose]()));
    const opening = [...wanted].filter(([key]) => !this.#sockets.has(key) && !this.#resting.get(key));
    const opened = await Promise.all(opening.map(([key, place]) => this.#open(key, place)));
    return opened.flatMap((place) => place ?? []);
  }

  async #open(key: string, place: MdnsPlace): Promise<MdnsPlace | undefined> {
    const { port } = this.#options;
    try {
      const socket = await openMdnsSocket({
        place,
        port,
        onPacket: (packet) => this.#received(packet, place),
        onGarbage: () => {
          if (!this.#garbageRate.allow(key)) this.#rest(key);
        },
      });
      this.#sockets.set(key, { place, socket });
      return place;
    } catch (error) {
      this.#resting.set(key, true);
      this.#note(place, error, 'listen-failed');
      return undefined;
    }
  }

  #received(packet: MdnsPacket, place: MdnsPlace): void {
    const key = keyOf(place);
    if (this.#disposed || !this.#sockets.has(key)) return;
    if (!this.#packetRate.allow(key) || (isMonster(packet.response) && !this.#monsterRate.allow(key)))
      this.#rest(key);
    else this.#options.onPacket(packet, place);
  }

  /** What is still queued for a socket goes with it, undecoded. */
  #rest(key: string): void {
    const { socket } = this.#sockets.get(key) ?? {};
    this.#resting.set(key, true);
    this.#sockets.delete(key);
    const closed = socket?.[Symbol.asyncDispose]();
    this.#busy = this.#busy.then((places) => Promise.resolve(closed).then(() => places));
  }

  #note(place: MdnsPlace, error: unknown, type: 'listen-failed' | 'send-failed'): void {
    const key = keyOf(place);
    if (!error) this.#said.delete(key);
    if (!error || this.#disposed || this.#said.has(key)) return;
    this.#said.add(key);
    const { interface: name, address } = place;
    const reason = `mDNS: ${reasonOf(error)}`;
    this.#options.onNotice(
      type === 'send-failed'
        ? { type, interface: name, reason }
        : { type, address, port: this.#options.port, reason },
    );
  }
}

function keyOf({ family, interface: name, address }: MdnsPlace): string {
  return `${family} ${name} ${address}`;
}

function isMonster(response: unknown): boolean {
  const { questions, answers, authorities, additionals } = Object(response) as Record<string, unknown>;
  const records = [questions, answers, authorities, additionals];
  return (
    records.reduce<number>((sum, part) => sum + (Array.isArray(part) ? part.length : 0), 0) > MAX_RECORDS
  );
}

import type { Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import { type MdnsPacket, type MdnsSocket, openMdnsSocket } from './mdns.ts';
import type { MdnsPlace } from './mdns-near.ts';
import type { MdnsQuestion } from './mdns-records.ts';
import type { OnNotice } from './notice.ts';
import { Recent } from './recent.ts';
import type { OnTraffic } from './traffic.ts';
import type { Remote } from './udp.ts';

export interface MdnsSocketsOptions {
  readonly port: number;
  readonly clock: Clock;
  /** Something that a place's socket got, whatever interface it came by; `decode` reads it. Must not throw. */
  readonly onBytes: (bytes: Buffer, from: Remote, place: MdnsPlace, decode: () => void) => void;
  /** A response that was decoded. Must not throw. */
  readonly onPacket: (packet: MdnsPacket) => void;
  readonly onNotice: OnNotice;
  readonly onTraffic?: OnTraffic | undefined;
}

/** What could not be opened is tried again after so long. */
const REST_MS = 10_000;

/** Sockets that rest at once: more than there are places. */
const MAX_RESTING = 64;

/** One mDNS socket for each interface and family. What cannot be opened is tried again. */
export class MdnsSockets implements AsyncDisposable {
  readonly #options: MdnsSocketsOptions;
  readonly #sockets = new Map<string, { readonly place: MdnsPlace; readonly socket: MdnsSocket }>();
  readonly #resting: Recent<true>;
  /** Places whose failure was said. */
  readonly #said = new Set<string>();
  #busy: Promise<readonly MdnsPlace[]> = Promise.resolve([]);
  #disposed = false;

  constructor(options: MdnsSocketsOptions) {
    const { clock } = options;
    this.#options = options;
    this.#resting = new Recent({ clock, ttlMs: REST_MS, max: MAX_RESTING });
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
      asking.map(async ({ place, socket }) => {
        this.#options.onTraffic?.({ type: 'datagram', by: 'mdns', direction: 'out' });
        this.#note(place, await socket.ask(questions), 'send-failed');
      }),
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
        onBytes: (bytes, from, decode) => this.#options.onBytes(bytes, from, place, decode),
        onPacket: (packet) => {
          if (!this.#disposed) this.#options.onPacket(packet);
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

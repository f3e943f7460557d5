import type { Cancel, Clock } from '../clock.ts';
import type { Interfaces } from './interfaces.ts';
import type { MdnsPacket } from './mdns.ts';
import { MdnsHearing } from './mdns-hearing.ts';
import { MdnsIntake } from './mdns-intake.ts';
import { MdnsLeases } from './mdns-leases.ts';
import { MdnsNetwork } from './mdns-network.ts';
import { BROWSE, factsOf, MDNS_PORT, type MdnsQuestion } from './mdns-records.ts';
import { MdnsSockets } from './mdns-sockets.ts';
import type { OnNotice } from './notice.ts';
import type { DiscoverySource, OnSighting } from './sighting.ts';
import type { OnTraffic } from './traffic.ts';

export interface MdnsBrowserOptions {
  /** The only interfaces that may be used; empty = all. */
  readonly interfaces: readonly string[];
  readonly onSighting: OnSighting;
  readonly clock: Clock;
  /** For jitter, [0, 1); Math.random unless given. */
  readonly random?: (() => number) | undefined;
  /** Sightings of this device are not reported. */
  readonly ownDeviceId?: string | undefined;
  readonly onNotice?: OnNotice | undefined;
  readonly onTraffic?: OnTraffic | undefined;
  /** How the interfaces are read; `os.networkInterfaces` unless given. */
  readonly networkInterfaces?: (() => Interfaces) | undefined;
  /** 5353 unless given: all of mDNS is there. */
  readonly port?: number | undefined;
}

/** RFC 6762 5.2: the second question comes at least a second after the first, then the pause doubles to an hour. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 3_600_000;

/**
 * Pauses longer than this are not for asking while any server is known: to renew what is known, somebody asks the same
 * question of all, and everybody hears the answers.
 */
const COVERED_PAUSE_MS = 30_000;

/** How often it is looked whether it is time to ask. */
const TICK_MS = 1000;

/**
 * Finds servers by mDNS: ollana's own and plain Ollamas that somebody advertises. Asks on every interface at start,
 * when the network changes, after a sleep, then ever more rarely, and before what it heard runs out; hears what
 * servers say unasked.
 */
export class MdnsBrowser implements DiscoverySource {
  readonly #options: MdnsBrowserOptions;
  readonly #network: MdnsNetwork;
  readonly #sockets: MdnsSockets;
  readonly #leases: MdnsLeases;
  readonly #hearing: MdnsHearing;
  #askedAt = Number.NEGATIVE_INFINITY;
  #pauseMs = FIRST_PAUSE_MS;
  #started: Promise<void> | undefined;
  #disposed: Promise<void> | undefined;
  #stopTicks: Cancel = () => {};

  constructor(options: MdnsBrowserOptions) {
    const { clock, random = Math.random, ownDeviceId, onNotice = () => {}, port = MDNS_PORT } = options;
    this.#options = options;
    this.#leases = new MdnsLeases(clock, random);
    this.#hearing = new MdnsHearing({
      clock,
      leases: this.#leases,
      ownDeviceId,
      onSighting: options.onSighting,
      ask: (questions, from) => this.#askWhere(questions, from),
    });
    this.#network = new MdnsNetwork({
      interfaces: options.interfaces,
      clock,
      read: options.networkInterfaces,
      onEvent: () => this.#askAnew(),
    });
    const intake = new MdnsIntake(clock, port);
    this.#sockets = new MdnsSockets({
      port,
      clock,
      onNotice,
      onTraffic: options.onTraffic,
      onBytes: (bytes, from, place, decode) => {
        if (!intake.lets(bytes, from, place, this.#network.near)) return;
        options.onTraffic?.({ type: 'datagram', by: 'mdns', direction: 'in' });
        intake.spend(decode);
      },
      onPacket: (packet) => this.#heard(packet),
    });
  }

  /** Resolves when the first questions have left. Never rejects: without a network it waits for one. */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  /** Asks on every interface at once, but at most once a second. */
  refresh(): void {
    if (!this.#started || this.#disposed) return;
    if (this.#options.clock.now() - this.#askedAt >= FIRST_PAUSE_MS) this.#askAnew();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #start(): Promise<void> {
    if (this.#disposed) return;
    const { clock, random = Math.random } = this.#options;
    this.#network.start();
    // From a random moment on: machines that wake together must not ask together.
    this.#stopTicks = clock.after(TICK_MS * random(), () => {
      this.#stopTicks = clock.every(TICK_MS, () => this.#tick());
    });
    await this.#sockets.sync(this.#network.near.places);
    await this.#ask();
  }

  async #dispose(): Promise<void> {
    this.#stopTicks();
    this.#network[Symbol.dispose]();
    await this.#sockets[Symbol.asyncDispose]();
  }

  #tick(): void {
    const waited = this.#options.clock.now() - this.#askedAt;
    const isCovered = this.#pauseMs > COVERED_PAUSE_MS && !this.#leases.isEmpty;
    if (waited >= this.#pauseMs && !isCovered) {
      this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
      void this.#ask();
    } else if (this.#leases.isDue(this.#askedAt)) {
      void this.#ask();
    }
    void this.#sync();
  }

  /** The network is another, or what we know is old: asks as at the start. */
  #askAnew(): void {
    this.#pauseMs = FIRST_PAUSE_MS;
    void this.#ask();
    void this.#sync();
  }

  /** A socket that is new asks at once; the others have. */
  async #sync(): Promise<void> {
    const opened = await this.#sockets.sync(this.#network.near.places);
    if (!this.#disposed)
      for (const place of new Set(opened.map((one) => one.interface))) void this.#sockets.ask(BROWSE, place);
  }

  async #ask(): Promise<void> {
    if (this.#disposed) return;
    this.#askedAt = this.#options.clock.now();
    await this.#sockets.ask(BROWSE);
  }

  #askWhere(questions: readonly MdnsQuestion[], from: string): void {
    const name = this.#network.near.interfaceTo(from);
    if (!this.#disposed && name !== undefined) void this.#sockets.ask(questions, name);
  }

  #heard({ response, address }: MdnsPacket): void {
    const { near } = this.#network;
    if (this.#disposed) return;
    const mayName = (named: string) => near.mayName(named, address);
    this.#hearing.heard(factsOf(response), { address, here: near.isHere(address), mayName });
  }
}

import { isIP } from 'node:net';
import type { Cancel, Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import type { Interfaces } from './interfaces.ts';
import { type MdnsPublished, prepareMdns, publishMdns } from './mdns.ts';
import { MdnsGate } from './mdns-gate.ts';
import { MdnsNetwork } from './mdns-network.ts';
import { MDNS_PORT } from './mdns-records.ts';
import type { OnNotice } from './notice.ts';
import type { OnTraffic } from './traffic.ts';
import { cleanName } from './wire.ts';

export interface MdnsAdvertiserOptions {
  /** The address HTTP is served on; 0.0.0.0 and :: are all of them, and another is the only one told. */
  readonly host: string;
  /** Where this server really serves HTTP, 1 to 65535. */
  readonly httpPort: number;
  /** 64 lower-case hex digits. */
  readonly deviceId: string;
  /** What people call this machine. */
  readonly name: string;
  /** ollana's own version, for people who look. */
  readonly version: string;
  /** The only interfaces that may be used; empty = all. */
  readonly interfaces: readonly string[];
  readonly clock: Clock;
  /** Whether it speaks from the start; true unless given. See `setSpeaking`. */
  readonly speaking?: boolean | undefined;
  readonly onNotice?: OnNotice | undefined;
  readonly onTraffic?: OnTraffic | undefined;
  /** How the interfaces are read; `os.networkInterfaces` unless given. */
  readonly networkInterfaces?: (() => Interfaces) | undefined;
}

/** When it could not be published, it is tried again after so long; the library prints a line each time. */
const RETRY_MS = 60_000;

/** An instance's name, in bytes: a label has 63, and another number is added when somebody has the same. */
const NAME_BYTES = 50;

/**
 * Makes a server known by mDNS as `NAME._ollana._tcp.local`, with its port, its addresses of both families, its
 * device and its version. A name that somebody has already gets a number. Start it when HTTP is served.
 */
export class MdnsAdvertiser implements AsyncDisposable {
  readonly #options: MdnsAdvertiserOptions;
  readonly #network: MdnsNetwork;
  readonly #gate: MdnsGate;
  #speaking: boolean;
  #published: { readonly on: string; readonly service: MdnsPublished } | undefined;
  #said = false;
  #busy: Promise<void> = Promise.resolve();
  #started: Promise<void> | undefined;
  #disposed: Promise<void> | undefined;
  #stopRetry: Cancel = () => {};

  constructor(options: MdnsAdvertiserOptions) {
    this.#options = options;
    this.#speaking = options.speaking ?? true;
    this.#gate = new MdnsGate(options.clock, options.onTraffic);
    this.#network = new MdnsNetwork({
      interfaces: options.interfaces,
      clock: options.clock,
      read: options.networkInterfaces,
      // After a sleep others have forgotten us.
      onEvent: (event) => void this.#update(event === 'woke'),
    });
  }

  /** Resolves when it answers; the announcement follows within a second. Never rejects: it waits for a network. */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  /** Whether this server wants to be found. False says goodbye and is silent then; true announces. */
  setSpeaking(speaking: boolean): void {
    if (speaking === this.#speaking || this.#disposed) return;
    this.#speaking = speaking;
    void this.#update();
  }

  /** Says goodbye and closes. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #start(): Promise<void> {
    if (this.#disposed) return;
    this.#network.start();
    await prepareMdns();
    await this.#update();
  }

  async #dispose(): Promise<void> {
    this.#stopRetry();
    this.#network[Symbol.dispose]();
    this.#speaking = false;
    await this.#update();
  }

  /** Brings what is published in line with what is wanted; one at a time, since the service goes and comes whole. */
  #update(anew = false): Promise<void> {
    this.#busy = this.#busy.then(() => this.#align(anew));
    return this.#busy;
  }

  async #align(anew: boolean): Promise<void> {
    if (!this.#started) return;
    const { places, addresses } = this.#network.near;
    const address = addressOf(this.#options.host);
    const interfaces = places
      .filter(({ family }) => family === 'IPv4')
      .map((place) => place.interface)
      .filter((name) => address === undefined || addresses.get(name)?.includes(address));
    const wanted = this.#speaking && interfaces.length > 0;
    const on = wanted ? JSON.stringify([interfaces, ...addresses]) : '';
    if (this.#published && (anew || this.#published.on !== on)) {
      const { service } = this.#published;
      this.#published = undefined;
      // Moving is no leaving: who knows us by another network is not to forget us for that second.
      await service.withdraw(!this.#speaking);
    }
    if (wanted && !this.#published) await this.#publish(interfaces, on);
  }

  async #publish(interfaces: readonly string[], on: string): Promise<void> {
    const { httpPort, deviceId, version, clock, onNotice } = this.#options;
    const name = cleanName(this.#options.name);
    this.#stopRetry();
    try {
      const service = await publishMdns({
        // A dot would end the label.
        name: cut(name.replace(/\./g, '-'), NAME_BYTES) || 'ollana',
        port: httpPort,
        host: `ollana-${deviceId.slice(0, 16)}`,
        text: { id: deviceId, version, ...(name && { name }) },
        interfaces,
        address: addressOf(this.#options.host),
        accept: (bytes, from, by) => this.#gate.lets(bytes, from, by, this.#network.near),
      });
      this.#published = { on, service };
      this.#said = false;
    } catch (error) {
      const reason = `mDNS: ${reasonOf(error)}`;
      if (!this.#said) onNotice?.({ type: 'listen-failed', address: '0.0.0.0', port: MDNS_PORT, reason });
      this.#said = true;
      if (!this.#disposed) this.#stopRetry = clock.after(RETRY_MS, () => void this.#update());
    }
  }
}

function addressOf(host: string): string | undefined {
  return isIP(host) === 0 || host === '0.0.0.0' || host === '::' ? undefined : host;
}

/** At most so many bytes of a text, whole characters. */
function cut(text: string, bytes: number): string {
  let short = '';
  for (const character of text) {
    if (Buffer.byteLength(short + character) > bytes) break;
    short += character;
  }
  return short.trim();
}

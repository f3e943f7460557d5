import type { Clock } from '../clock.ts';
import { boundedLease, type MdnsLeases } from './mdns-leases.ts';
import { isAskable, type MdnsFact, type MdnsInstance, type MdnsQuestion } from './mdns-records.ts';
import { RateLimit } from './rate-limit.ts';
import { Recent } from './recent.ts';
import type { OnSighting } from './sighting.ts';

export interface MdnsHearingOptions {
  readonly clock: Clock;
  readonly leases: MdnsLeases;
  /** Sightings of this device are not reported. */
  readonly ownDeviceId?: string | undefined;
  readonly onSighting: OnSighting;
  /** Asks on the network where `from` is for what its answer left out. */
  readonly ask: (questions: readonly MdnsQuestion[], from: string) => void;
}

/** Who said something. */
export interface MdnsSpeaker {
  /** The address the packet came from. */
  readonly address: string;
  /** Another process of this machine, maybe one of many. */
  readonly here: boolean;
  /** Whether it may say that a server is at an address. */
  readonly mayName: (address: string) => boolean;
}

/** Who said something at what time of the clock. */
interface Turn extends MdnsSpeaker {
  readonly now: number;
}

/** An instance as far as its speaker has told of it. */
interface Known extends MdnsInstance {
  readonly place?: { readonly port: number; readonly host: string; readonly until: number };
  readonly text?: { readonly deviceId?: string; readonly name?: string };
  /** Where it was reported to be. */
  readonly urls: readonly string[];
}

/** Instances and hosts kept at once: a LAN has dozens, and the oldest go first. */
const MAX_KEPT = 1024;

/** The longest time to live that is ever counted is that of `boundedLease`. */
const KEPT_MS = boundedLease(Number.POSITIVE_INFINITY);

/** Addresses of one host that are used; more than its interfaces have is no host. */
const MAX_ADDRESSES = 8;

/** Sightings from one speaker; on loopback many servers share one address. */
const PER_SECOND = { remote: 50, here: 1000 };

/** Questions for what is missing: about one name, and in all, so that forged answers do not make us a flood. */
const ASKS_PER_SECOND = { name: 1, all: 20 };

/**
 * Puts together what the records of one speaker say, and decides which of it is a sighting. Each speaker is heard
 * for itself: nobody can move, rename or dismiss another's server.
 */
export class MdnsHearing {
  readonly #options: MdnsHearingOptions;
  /** Under the speaker and the instance. */
  readonly #instances: Recent<Known>;
  /** Under the speaker and the host: address -> until when it counts. */
  readonly #hosts: Recent<ReadonlyMap<string, number>>;
  readonly #remoteRate: RateLimit;
  readonly #hereRate: RateLimit;
  readonly #nameRate: RateLimit;
  readonly #allRate: RateLimit;

  constructor(options: MdnsHearingOptions) {
    const { clock } = options;
    this.#options = options;
    this.#instances = new Recent({ clock, ttlMs: KEPT_MS, max: MAX_KEPT });
    this.#hosts = new Recent({ clock, ttlMs: KEPT_MS, max: MAX_KEPT });
    this.#remoteRate = new RateLimit(clock, PER_SECOND.remote);
    this.#hereRate = new RateLimit(clock, PER_SECOND.here);
    this.#nameRate = new RateLimit(clock, ASKS_PER_SECOND.name);
    this.#allRate = new RateLimit(clock, ASKS_PER_SECOND.all);
  }

  /** One response. */
  heard(facts: readonly MdnsFact[], by: MdnsSpeaker): void {
    const speaker: Turn = { ...by, now: this.#options.clock.now() };
    const gone = facts.filter((fact) => fact.ttlMs === 0);
    // Before its addresses go, or it would not be known where it was.
    for (const fact of gone)
      if (fact.type === 'pointer' || fact.type === 'place') this.#goodbye(fact, speaker);
    const left = new Set(gone.map((fact) => (fact.type === 'address' ? '' : fact.instance)));
    for (const fact of facts) if (fact.type === 'address') this.#noteAddress(fact, speaker);
    const touched = new Map<string, MdnsInstance>();
    for (const fact of facts) {
      if (fact.type === 'address' || left.has(fact.instance)) continue;
      this.#note(fact, speaker);
      touched.set(fact.instance, fact);
    }
    for (const one of touched.values()) this.#tell(one, speaker);
    const hosts = new Set(facts.flatMap((fact) => (fact.type === 'address' ? fact.host : [])));
    if (touched.size > 0 || hosts.size === 0) return;
    // Addresses alone are the answer to a question for them.
    for (const known of this.#instances.values())
      if (known.place && hosts.has(known.place.host)) this.#tell(known, speaker);
  }

  #goodbye({ instance }: MdnsInstance, { address }: MdnsSpeaker): void {
    const known = this.#instances.get(keyOf(address, instance));
    if (!known) return;
    this.#instances.delete(keyOf(address, instance));
    for (const url of known.urls) this.#report(url, known, 0);
  }

  #noteAddress(fact: MdnsFact & { readonly type: 'address' }, speaker: Turn): void {
    const { now } = speaker;
    const key = keyOf(speaker.address, fact.host);
    const addresses = new Map([...(this.#hosts.get(key) ?? [])].filter(([, until]) => until > now));
    addresses.delete(fact.address);
    if (fact.ttlMs > 0 && speaker.mayName(fact.address))
      addresses.set(fact.address, now + boundedLease(fact.ttlMs));
    this.#hosts.set(key, new Map([...addresses].slice(-MAX_ADDRESSES)));
  }

  #note(fact: Exclude<MdnsFact, { type: 'address' }>, { address, now }: Turn): void {
    const key = keyOf(address, fact.instance);
    const { instance, service, label } = fact;
    const known = this.#instances.get(key) ?? { instance, service, label, urls: [] };
    if (fact.type === 'place') {
      const until = now + boundedLease(fact.ttlMs);
      this.#instances.set(key, { ...known, place: { port: fact.port, host: fact.host, until } });
    } else if (fact.type === 'text') {
      const { deviceId, name } = fact;
      this.#instances.set(key, { ...known, text: { ...(deviceId && { deviceId }), ...(name && { name }) } });
    } else {
      this.#instances.set(key, known);
    }
  }

  /** Reports an instance when enough is known of it, and asks for the rest. */
  #tell({ instance }: MdnsInstance, speaker: Turn): void {
    const key = keyOf(speaker.address, instance);
    const known = this.#instances.get(key);
    if (!known) return;
    const { now } = speaker;
    const { place, text, service } = known;
    if (!place || place.until <= now || (service === 'ollana' && !text)) {
      this.#ask(instance, ['SRV', 'TXT'], speaker);
      return;
    }
    if (text?.deviceId !== undefined && text.deviceId === this.#options.ownDeviceId) return;
    const hosts = this.#hosts.get(keyOf(speaker.address, place.host));
    const addresses = [...(hosts ?? [])].filter(([, until]) => until > now);
    // A host that is known with addresses that we cannot use has no others to tell.
    if (hosts === undefined || hosts.size > addresses.length) this.#ask(place.host, ['A', 'AAAA'], speaker);
    const urls = addresses.map(([address]) => urlOf(address, place.port));
    const moved = known.urls.filter((url) => !urls.includes(url));
    for (const url of moved) this.#report(url, known, 0);
    this.#instances.set(key, { ...known, urls });
    for (const [address, until] of addresses) {
      if (!this.#mayReport(speaker)) return;
      this.#report(urlOf(address, place.port), known, Math.round(Math.min(place.until, until) - now));
    }
  }

  #mayReport({ address, here }: MdnsSpeaker): boolean {
    return here ? this.#hereRate.allow('here') : this.#remoteRate.allow(address);
  }

  #ask(name: string, types: readonly MdnsQuestion['type'][], { address }: MdnsSpeaker): void {
    if (!isAskable(name) || !this.#nameRate.allow(name) || !this.#allRate.allow('all')) return;
    this.#options.ask(
      types.map((type) => ({ name, type })),
      address,
    );
  }

  #report(url: string, { text, label }: Known, leaseMs: number): void {
    if (leaseMs > 0) this.#options.leases.set(url, leaseMs);
    else this.#options.leases.delete(url);
    const name = text?.name ?? label;
    this.#options.onSighting({
      source: 'mdns',
      url,
      ...(text?.deviceId && { deviceId: text.deviceId }),
      ...(name && { name }),
      leaseMs,
    });
  }
}

function keyOf(speaker: string, name: string): string {
  return `${speaker} ${name}`;
}

function urlOf(address: string, port: number): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

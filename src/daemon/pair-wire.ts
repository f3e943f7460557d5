import { deviceName } from '../security/allow-list.ts';
import type { Offer, Proof } from '../security/pairing.ts';

/** A number of 3072 bits in hex; the other values are shorter. */
const MAX_HEX = 768;

/** What a guest says first, and what it is answered. */
export interface Greeting {
  readonly step: 'greet';
}

export interface HostOffer extends Offer {
  readonly name: string;
}

/** What a guest says when it has been told the code. */
export interface Claim extends Proof {
  readonly step: 'prove';
  readonly name: string;
  /** Of the offer that it answers. */
  readonly salt: Buffer;
}

type Json = Readonly<Record<string, unknown>>;

/** What a guest says; undefined when it makes no sense. Pure. */
export function readGuest(body: Json | undefined): Greeting | Claim | undefined {
  if (body?.step === 'greet') return { step: 'greet' };
  if (body?.step !== 'prove' || typeof body.name !== 'string') return undefined;
  const [salt, guestKey, proof] = [bytesIn(body.salt), bytesIn(body.guestKey), bytesIn(body.proof)];
  if (!salt || !guestKey || !proof) return undefined;
  return { step: 'prove', name: deviceName(body.name), salt, guestKey, proof };
}

/** A claim as it goes over the wire. Pure. */
export function writeClaim({ name, salt, guestKey, proof }: Omit<Claim, 'step'>): Json {
  return { step: 'prove', name, salt: hex(salt), guestKey: hex(guestKey), proof: hex(proof) };
}

/** What a host offers; undefined when it makes no sense. Pure. */
export function readOffer(body: Json): HostOffer | undefined {
  const [salt, hostKey] = [bytesIn(body.salt), bytesIn(body.hostKey)];
  if (!salt || !hostKey || typeof body.name !== 'string') return undefined;
  return { name: deviceName(body.name), salt, hostKey };
}

/** An offer as it goes over the wire. Pure. */
export function writeOffer({ name, salt, hostKey }: HostOffer): Json {
  return { name, salt: hex(salt), hostKey: hex(hostKey) };
}

/** The host's own proof; undefined when it makes no sense. Pure. */
export function readHostProof(body: Json): Buffer | undefined {
  return bytesIn(body.proof);
}

/** Bytes as the wire has them. Pure. */
export function hex(bytes: Buffer): string {
  return bytes.toString('hex');
}

function bytesIn(value: unknown): Buffer | undefined {
  if (typeof value !== 'string' || value.length > MAX_HEX || !/^(?:[0-9a-f]{2})+$/.test(value))
    return undefined;
  return Buffer.from(value, 'hex');
}

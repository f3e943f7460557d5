import { createHmac, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { createRequire } from 'node:module';
import type * as Srp from 'fast-srp-hap';

/** Who is being paired: what each has shown of itself on the connection, as this side sees it. */
export interface Parties {
  /** DeviceId of the one that shows the code. */
  readonly hostId: string;
  readonly hostName: string;
  /** DeviceId of the one that asks for it. */
  readonly guestId: string;
  readonly guestName: string;
}

/** What whoever shows a code says before the other has proved anything; it tells nothing of the code. */
export interface Offer {
  readonly salt: Buffer;
  /** The public value `B` of SRP-6a. */
  readonly hostKey: Buffer;
}

/** What the other one proves with that it has the code. */
export interface Proof {
  /** The public value `A` of SRP-6a. */
  readonly guestKey: Buffer;
  readonly proof: Buffer;
}

/** Loaded with the first code: every start of ollana would wait 17 ms for what is used once in the life of a device. */
function srp(): typeof Srp & { readonly PARAMS: Srp.SrpParams } {
  const library = createRequire(import.meta.url)('fast-srp-hap') as typeof Srp;
  // The group of 3072 bits of RFC 5054, with SHA-256.
  return { ...library, PARAMS: library.SRP.params['3072'] };
}

const NAME = Buffer.from('ollana device pair');
const SALT_BYTES = 16;
/** Above the 32 that RFC 5054 asks for by so much that no leading zeros bring one below it. */
const SECRET_BYTES = 48;

/**
 * A code of six digits and the one try there is for it, by SRP-6a: whoever listens learns nothing of the code, and
 * whoever sits between the two has one guess in a million. What is confirmed with the key that both get are the two
 * certificates, as each side sees them: two that do not see the same do not pair.
 */
export class ShownCode implements Offer {
  /** Six digits, for people. */
  readonly digits = String(randomInt(1_000_000)).padStart(6, '0');
  readonly salt = randomBytes(SALT_BYTES);
  readonly hostKey: Buffer;
  readonly #srp: Srp.SrpServer;
  #used = false;

  constructor() {
    const { SrpServer, PARAMS } = srp();
    this.#srp = new SrpServer(PARAMS, this.salt, NAME, Buffer.from(this.digits), randomBytes(SECRET_BYTES));
    this.hostKey = this.#srp.computeB();
  }

  /** What proves to the guest that we know the code, too; undefined when its proof is wrong. The first call counts. */
  judge({ guestKey, proof }: Proof, parties: Parties): Buffer | undefined {
    if (this.#used) return undefined;
    this.#used = true;
    try {
      this.#srp.setA(guestKey);
    } catch {
      return undefined; // No number that an honest guest could have sent.
    }
    const secret = this.#srp.computeK();
    const said = transcript(this, guestKey, parties);
    return isSame(proof, seal(secret, 'guest', said)) ? seal(secret, 'host', said) : undefined;
  }
}

/** The guest's proof that it has been told the code, and the judge of the host's. Throws for an offer that is none. */
export function answerOffer(
  { salt, hostKey }: Offer,
  digits: string,
  parties: Parties,
): Proof & { readonly isHost: (proof: Buffer) => boolean } {
  const { SrpClient, PARAMS } = srp();
  const client = new SrpClient(PARAMS, salt, NAME, Buffer.from(digits), randomBytes(SECRET_BYTES));
  client.setB(hostKey);
  const guestKey = client.computeA();
  const said = transcript({ salt, hostKey }, guestKey, parties);
  const secret = client.computeK();
  return {
    guestKey,
    proof: seal(secret, 'guest', said),
    isHost: (proof) => isSame(proof, seal(secret, 'host', said)),
  };
}

/** Everything that the two must agree on, each part with its length before it. */
function transcript({ salt, hostKey }: Offer, guestKey: Buffer, parties: Parties): Buffer {
  const { hostId, hostName, guestId, guestName } = parties;
  const parts = [NAME, hostId, hostName, guestId, guestName, salt, hostKey, guestKey].map((part) =>
    Buffer.from(part),
  );
  return Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      return [length, part];
    }),
  );
}

function seal(secret: Buffer, who: 'host' | 'guest', said: Buffer): Buffer {
  return createHmac('sha256', secret).update(who).update(said).digest();
}

function isSame(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

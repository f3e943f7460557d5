/** Bodies kept by all requests together, bytes; past it, bodies stream and are not repeatable. */
const HELD_LIMIT_BYTES = 256 * 1024 * 1024;
/** Those of one peer: half of that, so that another's can still be looked through. */
const PEER_LIMIT_BYTES = HELD_LIMIT_BYTES / 2;
/** The beginning of every body is kept whatever others hold: most end before it, bytes. */
const ALWAYS_BYTES = 64 * 1024;

/** What one request's body takes of the memory for all. */
export interface HeldShare {
  /** Bytes so far. */
  readonly bytes: number;
  /** What all shares of this peer may be, bytes. */
  readonly maxBytes: number;
  /** Counts more bytes; says whether there was room for them, or who has taken it. */
  take(more: number): 'ok' | 'full' | 'peer-full';
  /** Gives all of it back. */
  readonly release: () => void;
}

/** Counts the memory that request bodies take, by peer. */
export class Held {
  #all = 0;
  readonly #perPeer = new Map<string, number>();

  /** A share that is empty; `peer` undefined: of a program of this machine, which has a share in all alone. */
  share(peer: string | undefined): HeldShare {
    let bytes = 0;
    const count = (more: number) => {
      bytes += more;
      this.#all += more;
      if (peer === undefined) return 0;
      const own = (this.#perPeer.get(peer) ?? 0) + more;
      if (own > 0) this.#perPeer.set(peer, own);
      else this.#perPeer.delete(peer);
      return own;
    };
    return {
      get bytes() {
        return bytes;
      },
      maxBytes: PEER_LIMIT_BYTES,
      take: (more) => {
        const own = count(more);
        if (bytes <= ALWAYS_BYTES) return 'ok';
        if (own > PEER_LIMIT_BYTES) return 'peer-full';
        return this.#all > HELD_LIMIT_BYTES ? 'full' : 'ok';
      },
      release: () => void count(-bytes),
    };
  }
}

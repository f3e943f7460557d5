/** A request's stay at a server. */
export interface Attendance {
  leave(): void;
}

/** A request that waits for the server, as its watch sees it. */
interface Entry {
  /** The address it went to. */
  readonly url: string;
  readonly onGone: (reason: string) => void;
  /** Bytes of the answer so far. */
  readonly bytes: () => number;
  bytesSeen: number;
}

/** The requests that wait for one server. */
export class Waiting {
  readonly #entries = new Set<Entry>();

  get size(): number {
    return this.#entries.size;
  }

  /** See `Watch.attend`; `onLeave` is called when the request leaves. */
  add(url: string, bytes: () => number, onGone: (reason: string) => void, onLeave: () => void): Attendance {
    const entry = { url, onGone, bytes, bytesSeen: bytes() };
    this.#entries.add(entry);
    return {
      leave: () => {
        this.#entries.delete(entry);
        onLeave();
      },
    };
  }

  /** Whether bytes have come from this address since the last time this was asked. */
  hears(at: string): boolean {
    let more = false;
    for (const entry of this.#entries) {
      const bytes = entry.bytes();
      more ||= entry.url === at && bytes !== entry.bytesSeen;
      entry.bytesSeen = bytes;
    }
    return more;
  }

  /** Tells those that went to `at`, or all. */
  tellGone(reason: string, at?: string): void {
    for (const { url, onGone } of [...this.#entries]) if (at === undefined || url === at) onGone(reason);
  }

  clear(): void {
    this.#entries.clear();
  }
}

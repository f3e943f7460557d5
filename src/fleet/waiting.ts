/** A request's stay at a server. */
export interface Attendance {
  leave(): void;
}

/** A request that waits for the server, as its watch sees it. */
interface Entry {
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
  add(bytes: () => number, onGone: (reason: string) => void, onLeave: () => void): Attendance {
    const entry = { onGone, bytes, bytesSeen: bytes() };
    this.#entries.add(entry);
    return {
      leave: () => {
        this.#entries.delete(entry);
        onLeave();
      },
    };
  }

  /** Whether bytes have come since the last time this was asked. */
  hears(): boolean {
    let more = false;
    for (const entry of this.#entries) {
      const bytes = entry.bytes();
      more ||= bytes !== entry.bytesSeen;
      entry.bytesSeen = bytes;
    }
    return more;
  }

  tellGone(reason: string): void {
    for (const { onGone } of [...this.#entries]) onGone(reason);
  }

  clear(): void {
    this.#entries.clear();
  }
}

import type { IncomingHttpHeaders } from 'node:http';

/** A request as the simulated Ollama received it. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** SHA-256 (hex) of the body bytes received. */
  bodySha256: string;
  bodyBytes: number;
  /** The body itself where it has at most 64 KiB. */
  body?: Buffer;
  /** Clock milliseconds at which the headers were read. */
  readonly at: number;
  /** Clock milliseconds at which the client left before the answer had ended. */
  abortedAt?: number;
  /** The whole answer was handed to the socket. */
  answered: boolean;
}

type Match = (request: SeenRequest) => boolean;

/** A long benchmark must not keep every request; 1000 bodies of 64 KiB are 64 MB at worst. */
const MAX_SEEN = 1000;

/** The last requests, and who waits for one. */
export class SeenLog {
  readonly requests: SeenRequest[] = [];
  readonly #waiting = new Set<() => void>();

  /** Notes a request whose body has arrived, or whose client left before that. */
  note(request: SeenRequest): void {
    this.requests.push(request);
    if (this.requests.length > MAX_SEEN) this.requests.shift();
    this.changed();
  }

  /** Tells the waiting that a request changed. */
  changed(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** The first request that matches, among those already seen or the next to come. */
  once(match: Match): Promise<SeenRequest> {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.requests.find(match);
        if (!found) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

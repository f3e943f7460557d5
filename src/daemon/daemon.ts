import type { StatusReport } from './status.ts';

/** A running ollana, whichever its mode. */
export interface Daemon {
  readonly mode: 'client' | 'server';
  /** Where apps of this machine reach it, e.g. `http://127.0.0.1:11435`. */
  readonly url: string;
  /** Nothing can be kept in its data directory, which it has said. */
  readonly isPassing: boolean;
  status(): StatusReport;
  /**
   * Says goodbye, accepts nothing more, lets requests in flight end for at most `limitMs`, then closes. Resolves
   * when everything is closed; a second call waits for the first.
   */
  drain(limitMs: number): Promise<void>;
  /** Closes everything at once; requests in flight break off. */
  stop(): Promise<void>;
}

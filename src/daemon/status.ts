import type { MachineFacts } from '../fleet/machine-facts.ts';

/** What `ollana status` prints and `GET /ollana/api/status` answers: one daemon's view at one moment. */
export interface StatusReport {
  readonly mode: 'client' | 'server';
  readonly version: string;
  readonly pid: number;
  /** Where apps reach this daemon, e.g. `http://127.0.0.1:11435`. */
  readonly url: string;
  readonly deviceId: string;
  readonly name: string;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Requests being served at this moment. */
  readonly inFlight: number;
  readonly servers: readonly ServerStatus[];
  /** `open`: everybody on the network is let in and used, and nobody has to prove who it is. */
  readonly pairing: 'open' | 'required';
  /** The Ollama behind a server-mode daemon. */
  readonly ollama?: { readonly url: string; readonly up: boolean; readonly reason?: string };
}

export interface ServerStatus {
  readonly deviceId: string;
  readonly name: string;
  /** The address in use. */
  readonly url: string;
  /** `ollana` = a server-mode ollana, `ollama` = a plain Ollama, `local` = this machine's own Ollama. */
  readonly kind: 'ollana' | 'ollama' | 'local';
  /** Who claims it: udp, static, file, ... */
  readonly sources: readonly string[];
  readonly verdict: 'reliable' | 'unreliable' | 'second-chance';
  /** Why the verdict is not `reliable`. */
  readonly reason?: string;
  /** Somebody is there, who is not paired with this device and so not used; `reason` says what to type. */
  readonly notPaired?: true;
  /** ISO 8601 of the last change of verdict. */
  readonly since: string;
  /** Ollama's version as the server tells it. */
  readonly version?: string;
  readonly models: readonly string[];
  readonly loaded: readonly string[];
  /** Requests this daemon has running there. */
  readonly inFlight: number;
  /** Round trip of the last probe in ms; null before the first. */
  readonly latencyMs: number | null;
  /** What machine it is; absent where it does not tell. */
  readonly machine?: MachineFacts;
}

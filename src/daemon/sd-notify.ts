import { execFile } from 'node:child_process';
import type { Cancel, Clock } from '../clock.ts';

export interface ServiceWordOptions {
  /** NOTIFY_SOCKET and WATCHDOG_USEC are systemd's; without the first nothing is ever said. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** A word that has not left after this long never will: systemd itself hangs then, ms. */
const SAY_LIMIT_MS = 5_000;
/** How often within systemd's limit we say that we live: one word may be late, and another be lost. */
const BEATS = 3;

/**
 * Tells systemd how its service is, by its own tool `systemd-notify`: Node has no datagram sockets of the kind that
 * would be needed. The tool waits until systemd has read the word, so that this still knows whose child spoke. A word
 * that cannot be said is lost; nothing here throws. Elsewhere than under systemd nothing is run.
 */
export class ServiceWord implements Disposable {
  readonly #options: ServiceWordOptions;
  #stopBeat: Cancel = () => {};

  constructor(options: ServiceWordOptions) {
    this.#options = options;
  }

  /** The service does its work; from now on systemd hears that the event loop turns, if it wants to. */
  ready(): void {
    this.#say('READY=1');
    const everyMs = beatMs(this.#options.env, process.pid);
    if (everyMs === undefined) return;
    this.#stopBeat();
    this.#stopBeat = this.#options.clock.every(everyMs, () => this.#say('WATCHDOG=1'));
  }

  /** It is about to end; the beat goes on, as that may take a while. */
  stopping(): void {
    this.#say('STOPPING=1');
  }

  [Symbol.dispose](): void {
    this.#stopBeat();
  }

  #say(word: string): void {
    const { env } = this.#options;
    if (!env.NOTIFY_SOCKET) return;
    execFile('systemd-notify', [word], { env, timeout: SAY_LIMIT_MS }, () => {
      // Lost: of READY and WATCHDOG systemd says in its log that they did not come.
    }).unref();
  }
}

/** How often systemd wants to hear of this process, ms; undefined: never. Pure. */
export function beatMs(
  { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID }: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const limitUs = Number(WATCHDOG_USEC);
  if (!NOTIFY_SOCKET || !Number.isSafeInteger(limitUs) || limitUs <= 0) return undefined;
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== '' && Number(WATCHDOG_PID) !== pid) return undefined;
  return Math.max(1, Math.floor(limitUs / 1_000 / BEATS));
}

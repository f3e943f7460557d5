import { networkInterfaces } from 'node:os';
import type { Cancel, Clock } from '../clock.ts';
import { HEARTBEAT_MS, HEARTBEAT_PATH, type Heartbeat, heartbeatBody } from '../discovery/heartbeat.ts';
import type { Interfaces } from '../discovery/interfaces.ts';
import { LinkWatch } from '../discovery/link-watch.ts';
import { reachableAddresses } from '../discovery/neighbours.ts';
import { reasonOf } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import { fetchSmall } from '../ollama/client.ts';
import type { PathAgent } from '../security/path-agent.ts';

export interface RegistrarOptions {
  /** Base URLs of the ollanas that are told. */
  readonly urls: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly connectTimeoutMs: number;
  /** Makes connections as is required, each anew; absent: in the clear. */
  readonly agent?: PathAgent;
  /** What is told, but for the addresses. */
  readonly describe: () => Omit<Heartbeat, 'ipv4' | 'ipv6'>;
  /** Gives [0, 1). */
  readonly random: () => number;
  /** How the interfaces are read; `os.networkInterfaces` unless given. */
  readonly read?: (() => Interfaces) | undefined;
}

/** Whoever takes longer for some lines is as good as away, ms. */
const ANSWER_LIMIT_MS = 5000;
/** The first try after a failure comes this soon, ms, each further one twice as late, up to the beat itself. */
const FIRST_RETRY_MS = 1000;

/** How one of them is doing. */
interface Hub {
  readonly url: string;
  failures: number;
  /** What was said last, so that it is said once. */
  said: string | undefined;
  next: Cancel;
  isBusy: boolean;
  /** Something has changed since the beat under way began. */
  isOld: boolean;
}

/**
 * Tells ollanas that broadcast does not reach that this server is there: at once, every 30 s, and when an address of
 * this machine changes; only while it speaks, which it does when its Ollama answers.
 */
export class Registrar implements AsyncDisposable {
  readonly #options: RegistrarOptions;
  readonly #hubs: readonly Hub[];
  readonly #links: LinkWatch;
  readonly #over = new AbortController();
  #isSpeaking = false;
  #isStarted = false;

  constructor(options: RegistrarOptions) {
    this.#options = options;
    this.#hubs = options.urls.map((url) => ({
      url,
      failures: 0,
      said: undefined,
      next: () => {},
      isBusy: false,
      isOld: false,
    }));
    this.#links = new LinkWatch({
      interfaces: [],
      clock: options.clock,
      read: options.read,
      onEvent: () => this.#beatAll(),
    });
  }

  async start(): Promise<void> {
    if (this.#isStarted || this.#over.signal.aborted || this.#hubs.length === 0) return;
    this.#isStarted = true;
    this.#links.start();
    this.#beatAll();
  }

  setSpeaking(speaking: boolean): void {
    if (speaking === this.#isSpeaking) return;
    this.#isSpeaking = speaking;
    this.#beatAll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    this.#links[Symbol.dispose]();
    for (const hub of this.#hubs) hub.next();
  }

  #beatAll(): void {
    for (const hub of this.#hubs) {
      hub.failures = 0;
      void this.#beat(hub);
    }
  }

  async #beat(hub: Hub): Promise<void> {
    hub.next();
    // What is under way says what was true when it began.
    if (hub.isBusy) hub.isOld = true;
    if (!this.#isSpeaking || !this.#isStarted || this.#over.signal.aborted || hub.isBusy) return;
    const { clock, random } = this.#options;
    hub.isBusy = true;
    hub.isOld = false;
    const reason = await this.#post(hub.url);
    hub.isBusy = false;
    if (this.#over.signal.aborted) return;
    this.#tell(hub, reason);
    hub.failures = reason === undefined ? 0 : hub.failures + 1;
    hub.next();
    if (hub.isOld) return this.#beat(hub);
    hub.next = clock.after(nextBeatMs(hub.failures, random), () => void this.#beat(hub));
  }

  /** Resolves with why it was not taken. Never rejects. */
  async #post(url: string): Promise<string | undefined> {
    const { clock, connectTimeoutMs, agent, describe, read = networkInterfaces } = this.#options;
    try {
      const { ipv4, ipv6 } = reachableAddresses(read());
      const { status, body } = await fetchSmall(url + HEARTBEAT_PATH, {
        clock,
        ...(agent && { agent }),
        connectTimeoutMs,
        timeoutMs: ANSWER_LIMIT_MS,
        signal: this.#over.signal,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(heartbeatBody({ ...describe(), ipv4, ipv6 }))),
      });
      return status >= 200 && status < 300 ? undefined : refusalIn(status, body.toString('utf8'));
    } catch (error) {
      return reasonOf(error);
    }
  }

  /** Once for each change, not once a beat. */
  #tell(hub: Hub, reason: string | undefined): void {
    const { log } = this.#options;
    const { url, said } = hub;
    const now = reason ?? '';
    if (now === said) return;
    hub.said = now;
    if (reason === undefined) log.info('registered', { at: url });
    else log.warn('cannot register, trying on: is it the address of an ollana?', { at: url, reason });
  }
}

/** Time to the next beat, give or take 10 %: hundreds that start together must not beat together. Pure. */
export function nextBeatMs(failures: number, random: () => number): number {
  const ms = failures === 0 ? HEARTBEAT_MS : Math.min(HEARTBEAT_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
  return ms * (0.9 + 0.2 * random());
}

/** What an answer that is no success says. Pure. */
function refusalIn(status: number, text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    if (typeof detail === 'string') return detail.slice(0, 500);
  } catch {
    // Not from an ollana that knows of registrations; the status has to do.
  }
  if (status === 403) return 'HTTP status 403: name it by its address or host name';
  return `HTTP status ${status}`;
}

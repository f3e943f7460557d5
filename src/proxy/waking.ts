/** A server that was woken, or is waking. */
export interface Woken {
  readonly deviceId: string;
  readonly name: string;
  /** When it was called, on the clock, ms. */
  readonly atMs: number;
  /** When it is too late for it to come, on the clock, ms. */
  readonly untilMs: number;
}

/** Wakes servers that sleep. */
export interface Waker {
  /** Whether nobody who is there has the model, and one that could be woken had it. */
  canWake(modelKey: string): boolean;
  /** Wakes such a server; the same one for all who ask while it wakes. Undefined: there is none. Never throws. */
  wake(modelKey: string): Woken | undefined;
}

/** What was done about a server that slept, for the reason of an answer. Pure. */
export function wokenReason({ name, atMs }: Woken, nowMs: number): string {
  return `${name} was woken ${seconds(nowMs - atMs)} s ago`;
}

/** The same where no answer came of it, and what to look at. Pure. */
export function wokenInVain(woken: Woken, nowMs: number): string {
  return `${wokenReason(woken, nowMs)} and is not there yet: is Wake-on-LAN on in its BIOS and network card, and its cable in?`;
}

function seconds(ms: number): number {
  return Math.max(0, Math.round(ms / 1000));
}

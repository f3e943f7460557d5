/** What is known of the present time without work. */
export interface Idle {
  /** Since when nothing has been asked for, on the clock, ms. */
  readonly sinceMs: number;
  /** Requests were open at the last look. */
  readonly wasOpen: boolean;
  /** The command has been run for it. */
  readonly done: boolean;
}

/** What a look sees. */
export interface IdleLook {
  /** On the clock, ms. */
  readonly nowMs: number;
  /** A model runs or is waited for, or has been since the last look. */
  readonly used: boolean;
  /** Requests of any kind are open. */
  readonly open: boolean;
  /** The machine slept since the last look: it was woken for something. */
  readonly slept: boolean;
}

/**
 * What is known after a look, and whether the command is due: once in each time without work, after `afterMs` of it,
 * and not while a request is open. What is open at one look alone is a list or a probe, which are asked for all day and
 * are no work; what is open at two in a row (a pull, an upload) is. Pure.
 */
export function lookIdle(before: Idle, look: IdleLook, afterMs: number): Idle & { readonly due: boolean } {
  const { nowMs, used, open, slept } = look;
  if (used || slept || (open && before.wasOpen))
    return { sinceMs: nowMs, wasOpen: open, done: false, due: false };
  const due = !before.done && !open && nowMs - before.sinceMs >= afterMs;
  return { sinceMs: before.sinceMs, wasOpen: open, done: before.done || due, due };
}

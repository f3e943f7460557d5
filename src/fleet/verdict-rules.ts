/**
 * The three states of a server and what moves between them. A server that failed is tried again only when
 * nothing better is left, and each such server gets its turn before any gets a second. Pure.
 */

export type VerdictState = 'reliable' | 'unreliable' | 'second-chance';

/** Where a failure happened: `dial` = nobody answered, `stream` = an answer broke off, `status` = it said so itself. */
export type FailureCause = 'dial' | 'stream' | 'status';

export type Verdict =
  | { readonly state: 'reliable'; readonly sinceMs: number }
  | {
      readonly state: 'unreliable' | 'second-chance';
      /** When it stopped being reliable. */
      readonly sinceMs: number;
      readonly cause: FailureCause;
      readonly reason: string;
    };

/** Whether the server answers, well or badly: one that broke off a stream does, one that nobody reaches does not. Pure. */
export function isReached(verdict: Verdict): boolean {
  return verdict.state === 'reliable' || verdict.cause !== 'dial';
}

export type VerdictEvent =
  | {
      readonly type: 'attempt-failed';
      readonly cause: FailureCause;
      readonly reason: string;
      /** The address that it went to; the one in use unless given. */
      readonly url?: string;
      /** It began when the server was reliable: what ended it is what has spoken against the server since. */
      readonly wasReliable?: boolean;
    }
  | { readonly type: 'completed' }
  | { readonly type: 'probe-failed'; readonly reason: string }
  | { readonly type: 'probe-passed' }
  /** All servers failed in one moment, so it was our own link: what broke off was not the server's doing. */
  | { readonly type: 'all-at-once' }
  /** Every failed server has had its turn: all may be tried again. */
  | { readonly type: 'turns-over' };

/**
 * The verdict after `event`, or the same object when nothing changed. Only a completed stream, or a passed
 * probe after nobody had answered, makes a server reliable again: one that fails in mid-stream every time
 * answers probes all along.
 */
export function nextVerdict(verdict: Verdict, event: VerdictEvent, atMs: number): Verdict {
  switch (event.type) {
    case 'completed':
      return verdict.state === 'reliable' ? verdict : { state: 'reliable', sinceMs: atMs };
    case 'attempt-failed': {
      const { cause, reason } = event;
      if (verdict.state === 'reliable') return { state: 'unreliable', sinceMs: atMs, cause, reason };
      // Nobody gave it a chance yet: several requests that break together, or one and a probe, are one failure.
      if (event.wasReliable && verdict.state === 'unreliable') return verdict;
      return { state: 'second-chance', sinceMs: verdict.sinceMs, cause, reason };
    }
    case 'probe-failed':
      if (verdict.state === 'reliable') {
        return { state: 'unreliable', sinceMs: atMs, cause: 'dial', reason: event.reason };
      }
      return verdict.cause === 'dial' ? verdict : { ...verdict, cause: 'dial', reason: event.reason };
    case 'probe-passed':
      return verdict.state !== 'reliable' && verdict.cause === 'dial'
        ? { state: 'reliable', sinceMs: atMs }
        : verdict;
    case 'all-at-once':
      return verdict.state !== 'reliable' && verdict.cause === 'stream'
        ? { ...verdict, cause: 'dial' }
        : verdict;
    case 'turns-over':
      return verdict.state === 'second-chance' ? { ...verdict, state: 'unreliable' } : verdict;
  }
}

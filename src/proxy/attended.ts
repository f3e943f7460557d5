import type { Clock } from '../clock.ts';
import type { Router } from '../routing/router.ts';
import type { Arrival, Dispatch, Sending, Transport } from './transport.ts';

export interface AttendedOptions {
  readonly router: Router;
  readonly transport: Transport;
  readonly clock: Clock;
  /** Silence after which a server is given up, ms; 0 leaves that to the probe beside the request. */
  readonly silenceTimeoutMs: number;
  /** Told what is asked and answered; absent: nobody may be. */
  readonly bodyLog?: BodyTold | undefined;
}

/** Is told what is asked and answered. */
export interface BodyTold {
  /** A request's body as it was sent, or its beginning. */
  request(id: string, body: Buffer): void;
  /** The end of an answer as the server sent it. */
  answer(id: string, end: string): void;
}

/** A request under way, with somebody watching the server meanwhile. */
export interface Attended {
  /** See `Sending.arrival`. */
  readonly arrival: Promise<Arrival>;
  /** Why it was given up, by whomever; undefined while it was not. */
  readonly given: string | undefined;
  /** The probe beside it has found the server gone, and has judged it. */
  readonly gone: boolean;
  /** Closes the connection to the server at once. */
  giveUp(reason: string): void;
  /** Ends the watch; to be called when all is over. */
  leave(): void;
}

/**
 * Sends a request to a server. A probe runs beside it: Ollama is silent for minutes while it loads a model, so
 * silence alone ends nothing, unless the user has set a limit. `bytes` tells how much of the answer has come.
 */
export function sendAttended(
  { router, transport, clock, silenceTimeoutMs }: AttendedOptions,
  deviceId: string,
  dispatch: Dispatch,
  bytes: () => number,
): Attended {
  const sending: Sending = transport.send(dispatch);
  // Not getters: V8 makes a class for each object that has accessors of its own, in the old generation, where it keeps
  // alive what they refer to: all of a request, until the slow collector comes.
  const attended: Mutable<Attended> = {
    arrival: sending.arrival,
    given: undefined,
    gone: false,
    giveUp: (reason) => {
      attended.given ??= reason;
      sending.destroy(new Error(reason));
    },
    leave: () => {
      stopSilence();
      attendance.leave();
    },
  };
  const attendance = router.attend(deviceId, bytes, (reason) => {
    attended.gone = true;
    attended.giveUp(reason);
  });
  // While the client does not read, the server is not read either.
  const stalled = () => dispatch.client.writableNeedDrain;
  const stopSilence =
    silenceTimeoutMs > 0
      ? watchSilence(clock, silenceTimeoutMs, bytes, stalled, () =>
          attended.giveUp(`silent for ${silenceTimeoutMs / 1000} s (--silence-timeout)`),
        )
      : () => {};
  return attended;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Looks a silent stream is given within its limit: it is found out at most an eighth of the limit late. */
const LOOKS = 8;

/** Calls `onSilent` when no byte has come for `limitMs`. */
function watchSilence(
  clock: Clock,
  limitMs: number,
  bytes: () => number,
  stalled: () => boolean,
  onSilent: () => void,
): () => void {
  let seen = bytes();
  let heardAt = clock.now();
  const stop = clock.every(limitMs / LOOKS, () => {
    const now = clock.now();
    if (bytes() !== seen || stalled()) {
      seen = bytes();
      heardAt = now;
    } else if (now - heardAt >= limitMs) {
      stop();
      onSilent();
    }
  });
  return stop;
}

import type { ErrorCode } from '../errors.ts';
import type { LimitEvent } from '../limits.ts';
import type { Outcome } from '../routing/router.ts';

/** What the proxy tells whoever observes it. No event carries a prompt, an answer or a header. */
export type ProxyEvent =
  | LimitEvent
  | {
      readonly type: 'attempt-ended';
      readonly id: string;
      readonly attempt: number;
      /** As the client spelled it. */
      readonly model: string | undefined;
      readonly server: string;
      readonly url: string;
      /** Why this server was chosen. */
      readonly reason: string;
      readonly outcome: Outcome;
    }
  | {
      /** A model that a request wants is being pulled. */
      readonly type: 'model-pulled';
      readonly id: string;
      readonly model: string;
      readonly server: string;
      /** What the server says it does. */
      readonly status: string;
      /** How much of the present layer is there; undefined where it is no layer. */
      readonly percent: number | undefined;
    }
  | {
      readonly type: 'request-ended';
      readonly id: string;
      readonly method: string;
      readonly path: string;
      readonly client: string;
      /** Name of the API key that was shown; undefined where none was. */
      readonly key: string | undefined;
      readonly model: string | undefined;
      /** Name of the server that answered; undefined when none did. */
      readonly server: string | undefined;
      /** Why that server was chosen. */
      readonly reason: string | undefined;
      /** Status the client saw; undefined when it left before there was one. */
      readonly status: number | undefined;
      readonly outcome: 'completed' | 'client-left' | 'failed' | 'refused';
      readonly error: string | undefined;
      /** Why ollana itself refused it or gave it up; undefined when it did not. */
      readonly errorCode: ErrorCode | undefined;
      readonly attempts: number;
      /** What was changed in the request because the user allows it; undefined: nothing. */
      readonly changed: string | undefined;
      /** Time without a server to send to, ms. */
      readonly queueMs: number;
      /** From the request's arrival to the first byte of the answer, ms. */
      readonly firstByteMs: number | undefined;
      readonly durationMs: number;
      readonly bytes: number;
    };

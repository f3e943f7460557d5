import type { ErrorCode } from '../errors.ts';
import type { VerdictState } from '../fleet/verdict-rules.ts';
import type { LimitEvent } from '../limits.ts';
import type { Counters } from '../ollama/counters.ts';
import type { RouteClass } from '../ollama/routes.ts';
import type { Considered } from '../routing/considered.ts';
import type { Outcome } from '../routing/pick.ts';
import type { TraceParent } from './trace-parent.ts';

/** What the proxy tells whoever observes it. No event carries a prompt, an answer or the text of a header. */
export type ProxyEvent =
  | LimitEvent
  | {
      /** A server has been chosen, and the request is being sent there. */
      readonly type: 'attempt-began';
      readonly id: string;
      readonly attempt: number;
      readonly model: string | undefined;
      readonly server: string;
      readonly url: string;
      readonly reason: string;
      /** Address and port of the client. */
      readonly client: string;
      /** What was thought of the server when it was chosen. */
      readonly verdict: VerdictState;
    }
  | {
      readonly type: 'attempt-ended';
      readonly id: string;
      readonly attempt: number;
      /** As the client spelled it. */
      readonly model: string | undefined;
      readonly server: string;
      readonly deviceId: string;
      readonly url: string;
      /** Why this server was chosen. */
      readonly reason: string;
      readonly outcome: Outcome;
      readonly end: AttemptEndType;
      /** From sending to the end, ms. */
      readonly durationMs: number;
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
      /** It comes from another server, or might have; absent: it was pulled because no server has it. */
      readonly copies?: true;
    }
  | {
      readonly type: 'request-ended';
      readonly id: string;
      readonly method: string;
      readonly path: string;
      /** One of a fixed set of names, see `routeName`: what may be counted by, whatever clients ask for. */
      readonly route: string;
      readonly routeClass: RouteClass;
      readonly client: string;
      /** Name of the API key that was shown; undefined where none was. */
      readonly key: string | undefined;
      /** What the app is called: see `appName`. Said by whoever asks. */
      readonly app: string | undefined;
      readonly model: string | undefined;
      /** A model was to work for it; false for a load or an unload alone, and for whatever manages models. */
      readonly isUse: boolean;
      /** Name of the server that answered; undefined when none did. */
      readonly server: string | undefined;
      /** Id of that server; undefined also when several shared the request. */
      readonly deviceId: string | undefined;
      /** Its address. */
      readonly url: string | undefined;
      /** Why that server was chosen. */
      readonly reason: string | undefined;
      /** The servers that it was chosen from, best first, at most 20; undefined where there was no choice. */
      readonly considered: readonly Considered[] | undefined;
      /** Status the client saw; undefined when it left before there was one. */
      readonly status: number | undefined;
      readonly outcome: RequestOutcome;
      readonly error: string | undefined;
      /** Why ollana itself refused it or gave it up; undefined when it did not. */
      readonly errorCode: ErrorCode | undefined;
      readonly attempts: number;
      /** Of those, the ones that were made because a server had failed or refused. */
      readonly retries: number;
      /** What was changed in the request because the user allows it; undefined: nothing. */
      readonly changed: string | undefined;
      /** Time without a server to send to, ms. */
      readonly queueMs: number;
      /** Of that, the wait for a server to appear or to recover; the rest was for a seat, ms. */
      readonly heldMs: number;
      /** From the request's arrival to the first byte of the answer, ms. */
      readonly firstByteMs: number | undefined;
      readonly durationMs: number;
      /** Of the answer's body. */
      readonly bytes: number;
      /** The model was not known to be in the server's memory when the request was sent there. */
      readonly cold: boolean;
      /** What the end of the answer told of its making, in tokens and ms; undefined where it told nothing. */
      readonly counters: Counters | undefined;
      /** The span of the client's that it is part of; undefined where the client names none. */
      readonly parent: TraceParent | undefined;
    };

/**
 * How a request ended for its client. `refused`: for a reason of the client's own. `incomplete`: its answer had begun
 * and broke off.
 */
export type RequestOutcome = 'completed' | 'client-left' | 'failed' | 'refused' | 'incomplete';

/**
 * How an attempt ended. `elsewhere`: another server may try. `lost`: another server was faster. `again`: repeated over
 * a fresh connection. `busy`: the slot it was sent for was taken, so it counts for nobody as an attempt. `unsplit`: a
 * part that is better not done apart.
 */
export type AttemptEndType =
  | 'answered'
  | 'client-left'
  | 'elsewhere'
  | 'lost'
  | 'again'
  | 'busy'
  | 'failed'
  | 'unsplit';

/** A request has ended. */
export type RequestEnded = Extract<ProxyEvent, { readonly type: 'request-ended' }>;

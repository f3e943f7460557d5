import { addressOf } from '../config/host.ts';
import type { Pick } from '../routing/pick.ts';
import { type AttemptEnd, attempt, type Gate } from './attempt.ts';
import { attemptBegan, attemptEnded } from './attempt-told.ts';
import type { AttendedOptions } from './attended.ts';
import type { Body } from './body.ts';
import type { ProxyEvent } from './events.ts';
import type { Exchange } from './exchange.ts';
import { forwardHeaders } from './headers.ts';
import { ownHeaders } from './own-headers.ts';
import { bodyFor, type ProtectOptions } from './protect-context.ts';
import { race, type Tried } from './race.ts';
import type { Asked } from './want.ts';

export interface TryOptions extends AttendedOptions, ProtectOptions {
  readonly emit: (event: ProxyEvent) => void;
  /** This device's entry in `Via`. */
  readonly via: string;
  /** Told when a server has answered a request that changes what it stores, or has been sent a blob. */
  readonly onManaged: (exchange: Exchange, deviceId: string) => void;
  /** Headers that tell about this machine, flat. */
  readonly told: (exchange: Exchange) => readonly string[];
}

/** What is sent. */
export interface TryInput {
  readonly exchange: Exchange;
  readonly asked: Asked;
  readonly body: Body;
  /** See `Dispatch`. */
  readonly fresh: boolean;
}

/**
 * Sends a request to one server, or to several that race for it, and gives their seats back. Resolves when all have
 * ended, with the winner last. Never rejects.
 */
export async function tryAt(
  options: TryOptions,
  input: TryInput,
  picks: readonly Pick[],
): Promise<readonly Tried[]> {
  const [pick] = picks;
  if (pick && picks.length === 1) return [{ pick, end: await tryOne(options, input, pick) }];
  const { response } = input.exchange;
  // Every connection listens for the client's leaving, beside the few listeners there are.
  response.setMaxListeners(response.getMaxListeners() + 4 * picks.length);
  const racers = picks.map((one) => ({ ...one, reason: `race of ${picks.length}, ${one.reason}` }));
  return race(racers, (one, gate) => tryOne(options, input, one, gate));
}

/**
 * One server's try. A kept connection that turns out to be closed costs it nothing, its seat least of all: a slot given
 * back for that moment is another request's, and this one would have to queue again.
 */
async function tryOne(options: TryOptions, input: TryInput, pick: Pick, gate?: Gate): Promise<AttemptEnd> {
  let { fresh } = input;
  input.exchange.attempts += 1;
  const number = input.exchange.attempts;
  for (;;) {
    const end = await sendOnce(options, { ...input, fresh }, pick, number, gate);
    if (end.type !== 'again') return end;
    if (!end.stale || fresh || gate?.lost()) {
      pick.release(end.outcome);
      return end;
    }
    fresh = true;
  }
}

/** Sends it, and tells of its beginning and its end: who looks on believes that what has begun runs until it ended. */
async function sendOnce(
  options: TryOptions,
  input: TryInput,
  pick: Pick,
  attemptNumber: number,
  gate: Gate | undefined,
): Promise<AttemptEnd> {
  const { exchange } = input;
  const since = options.clock.now();
  options.emit(attemptBegan(exchange, pick, attemptNumber));
  const end = await sendTo(options, input, pick, gate);
  options.emit(attemptEnded(exchange, pick, attemptNumber, end, options.clock.now() - since));
  return end;
}

async function sendTo(
  options: TryOptions,
  { exchange, asked, body, fresh }: TryInput,
  pick: Pick,
  gate: Gate | undefined,
): Promise<AttemptEnd> {
  const { deviceId, name, url, modelKeys, loadedKeys } = pick.server;
  const { request, route } = exchange;
  const isCold =
    route.class === 'inference' && asked.modelKey !== undefined && !loadedKeys.has(asked.modelKey);
  const note = () => {
    exchange.server = name;
    exchange.deviceId = deviceId;
    exchange.serverUrl = url;
    exchange.considered = pick.considered;
    exchange.reason = pick.reason;
    exchange.cold = isCold;
  };
  note();
  const bytes =
    body.type === 'whole' ? bodyFor(options, exchange, pick.server, asked, body.bytes) : undefined;
  const isChanged = body.type === 'whole' && bytes !== body.bytes;
  const hasBody = request.headers['content-length'] !== undefined || (bytes?.length ?? 0) > 0;
  const end = await attempt(options, {
    exchange,
    pick,
    headers: forwardHeaders(request.rawHeaders, {
      host: addressOf(url).host,
      via: options.via,
      contentLength: bytes && hasBody ? bytes.length : undefined,
      extra: pick.seatHeaders,
    }),
    body: body.type === 'whole' ? (bytes ?? body.bytes) : body.open,
    fresh,
    replayable: body.type === 'whole',
    listed: asked.modelKey !== undefined && modelKeys.has(asked.modelKey),
    gate,
    answerHeaders: () => {
      note();
      if (isChanged) exchange.changes.set('X-Ollana-Changed', 'num_ctx');
      return ownHeaders(exchange, pick.reason, options.told(exchange));
    },
  });
  if (end.type !== 'again') pick.release(end.outcome, end.result);
  // Of a slot that was taken nobody has tried anything.
  if (end.type === 'busy') exchange.attempts -= 1;
  else if (route.class === 'pinned' || route.class === 'broadcast' || asked.unloads)
    options.onManaged(exchange, deviceId);
  return end;
}

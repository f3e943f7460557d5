import { OllanaError } from '../errors.ts';
import type { Dialer } from '../security/dialer.ts';
import type { PathAgent } from '../security/path-agent.ts';
import { type Identity, identify } from './identify.ts';
import { type MeetOptions, shownHeaders } from './rust-server.ts';

export interface IntroduceOptions extends MeetOptions {
  readonly dialer: Dialer;
  /** Dials as `dialer` says, each connection anew. */
  readonly agent: PathAgent;
}

/**
 * Asks an address who is there, and from then on has it dialled as that one is. Rejects with the codes of `identify`,
 * and with OLLANA_NOT_PAIRED when whoever it is may not be used.
 */
export async function introduce(url: string, options: IntroduceOptions): Promise<Identity> {
  const { dialer } = options;
  // Whoever was there before may have gone elsewhere.
  dialer.unpin(url);
  const identity = await identify(url, options);
  const { deviceId, proven = false, shownId } = identity;
  if (!dialer.accepts({ url, deviceId, proven }))
    throw new OllanaError(
      'OLLANA_NOT_PAIRED',
      `what answers at ${url} does not prove that it is a paired device`,
    );
  if (proven) dialer.pin(url, { deviceId, headers: shownHeaders(shownId) });
  return identity;
}

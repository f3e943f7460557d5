import type { Clock } from '../clock.ts';
import { identify } from '../fleet/identify.ts';
import type { PathAgent } from '../security/path-agent.ts';

/** A server on the network of ours has said who it is long before, ms. */
const LIMIT_MS = 5000;

/**
 * Whether one and the same ollana answers at two addresses, as it says itself; a plain Ollama does not say. Never
 * rejects.
 */
export async function isSameDevice(
  url: string,
  other: string,
  {
    clock,
    agent,
    connectTimeoutMs,
  }: { readonly clock: Clock; readonly agent: PathAgent; readonly connectTimeoutMs: number },
): Promise<boolean> {
  const options = { clock, agent, connectTimeoutMs, timeoutMs: LIMIT_MS };
  try {
    const [one, two] = await Promise.all([identify(url, options), identify(other, options)]);
    return one.kind === 'ollana' && two.kind === 'ollana' && one.deviceId === two.deviceId;
  } catch {
    return false; // Nobody there, or nobody of ours: it is asked again after a later beat.
  }
}

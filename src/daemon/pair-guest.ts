import type { Clock } from '../clock.ts';
import { OllanaError } from '../errors.ts';
import { type Fetched, fetchSmall } from '../ollama/client.ts';
import { changeDevices, type Device, deviceName, type Right, withDevice } from '../security/allow-list.ts';
import { type Dial, PLAIN } from '../security/dial.ts';
import type { OwnIdentity } from '../security/identity.ts';
import { answerOffer } from '../security/pairing.ts';
import { PathAgent } from '../security/path-agent.ts';
import { PAIR_PATH } from './gate.ts';
import { readHostProof, readOffer, writeClaim } from './pair-wire.ts';

export interface PairWithOptions {
  /** Base URL of the ollana that shows the code, `http:`. */
  readonly url: string;
  readonly own: OwnIdentity;
  /** What we are called. */
  readonly name: string;
  /** Where the list of paired devices is. */
  readonly dataDir: string;
  /** What the other device may do here. */
  readonly rights: readonly Right[];
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** Asks the user for the code that `host` shows; six digits. */
  readonly askCode: (host: string) => Promise<string>;
}

/** Whoever shows a code computes for a tenth of a second at most, ms. */
const ANSWER_LIMIT_MS = 10_000;

/**
 * Pairs this device with one that shows a code, and enters it into the list of this one. Nothing is entered unless it
 * has proved that it knows the code and sees the same two certificates. Rejects with `OLLANA_NOT_PAIRED` when the code
 * was wrong or somebody sits between, and with the codes of `fetchSmall` and `changeDevices`.
 */
export async function pairWith(options: PairWithOptions): Promise<Device> {
  const { own, dataDir, rights, clock, askCode } = options;
  const guestName = deviceName(options.name);
  let hostId: string | undefined;
  const dial: Dial = {
    type: 'tls',
    own,
    refuses: ({ deviceId }) => {
      hostId ??= deviceId;
      return deviceId === hostId
        ? undefined
        : new OllanaError('OLLANA_NOT_PAIRED', 'another device answers now');
    },
  };
  const agent = new PathAgent({ keepAlive: false }, { ...PLAIN, dial: () => dial });
  const offer = readOffer(await say(options, agent, { step: 'greet' }));
  if (!offer || hostId === undefined) throw nonsense(options.url);
  if (hostId === own.deviceId)
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      `what answers at ${options.url} is this device itself: name the other one`,
    );
  const digits = await askCode(offer.name);
  const parties = { hostId, hostName: offer.name, guestId: own.deviceId, guestName };
  const answer = answered(options.url, () => answerOffer(offer, digits, parties));
  const claim = { ...answer, name: guestName, salt: offer.salt };
  const proof = readHostProof(await say(options, agent, writeClaim(claim)));
  if (!proof || !answer.isHost(proof))
    throw new OllanaError(
      'OLLANA_NOT_PAIRED',
      `not paired: what answers at ${options.url} does not know the code; somebody may sit between`,
    );
  const since = new Date(clock.wall()).toISOString();
  const device = { id: hostId, name: offer.name, since, rights };
  await changeDevices(dataDir, (devices) => withDevice(devices, device));
  return device;
}

/** What the host sent may be no number of the group. */
function answered<T>(url: string, answer: () => T): T {
  try {
    return answer();
  } catch {
    throw nonsense(url);
  }
}

async function say(
  { url, clock, connectTimeoutMs }: PairWithOptions,
  agent: PathAgent,
  step: object,
): Promise<Readonly<Record<string, unknown>>> {
  const answer = await fetchSmall(url + PAIR_PATH, {
    clock,
    agent,
    connectTimeoutMs,
    timeoutMs: ANSWER_LIMIT_MS,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(step)),
  });
  const body = objectIn(answer);
  if (answer.status === 200 && body) return body;
  if (typeof body?.error !== 'string') throw nonsense(url);
  throw new OllanaError('OLLANA_NOT_PAIRED', `not paired: ${body.error.slice(0, 300)}`);
}

function nonsense(url: string): OllanaError {
  return new OllanaError(
    'OLLANA_NOT_PAIRED',
    `not paired: what answers at ${url} is no ollana that can be paired; if it is in \`ollana status\`, that says what to type`,
  );
}

function objectIn({ body }: Fetched): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // Not JSON: no ollana, or an old one.
  }
}

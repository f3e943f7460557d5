import { OllanaError } from '../errors.ts';
import { WATCH_PATH } from '../fleet/feed-reader.ts';
import { pathOf } from '../ollama/routes.ts';
import { answerError } from '../proxy/error-answer.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { type Device, type Right, USUAL_RIGHTS } from '../security/allow-list.ts';
import type { Trust } from '../security/trust.ts';
import { type Exposure, judgeRight } from '../server/exposure.ts';
import { BLOBS_PATH, MANIFESTS_PATH } from '../server/shelf-wire.ts';
import { TICKETS_PATH } from '../server/ticket-wire.ts';
import type { Gate } from './gate.ts';
import { FACTS_PATH } from './own-paths.ts';

export interface PeerRightsOptions {
  readonly mode: 'client' | 'server';
  /** What the owner adds for every machine that is let in. */
  readonly forAll: () => ReadonlySet<Right>;
  readonly trust: Pick<Trust, 'closed'>;
  readonly gate: Pick<Gate, 'deviceOf'>;
}

/** What ollana's own paths take that other machines use. */
const NEEDED = new Map<string, Right>([
  [TICKETS_PATH, 'inference'],
  [WATCH_PATH, 'read'],
  [FACTS_PATH, 'read'],
  ['/nodes', 'read'],
  // Whoever may run a model may have it; one that may read lists is not told more than those.
  [MANIFESTS_PATH, 'inference'],
  [BLOBS_PATH, 'inference'],
]);

/** What each of the other machines may do here. */
export class PeerRights {
  readonly #options: PeerRightsOptions;

  constructor(options: PeerRightsOptions) {
    this.#options = options;
  }

  /** What whoever sends a request may have. */
  exposureOf = (exchange: Exchange): Exposure => {
    const { mode, trust, gate, forAll } = this.#options;
    const device = gate.deviceOf(exchange);
    const rights = new Set<Right>([...forAll(), ...(device?.rights ?? USUAL_RIGHTS)]);
    // Whoever is let in without a certificate may do that much, so leaving it out would be the way to more.
    if (!trust.closed) for (const right of USUAL_RIGHTS) rights.add(right);
    // In client mode nothing is stored here, and the servers say themselves what they allow.
    if (mode === 'client') rights.delete('manage');
    const whose = device ? 'the device that asks' : 'other machines';
    return { rights, whose, remedy: (right) => remedyFor(right, mode, device) };
  };

  /** Whether whoever sends a request may change what is stored here. */
  manages(exchange: Exchange): boolean {
    return this.exposureOf(exchange).rights.has('manage');
  }

  /** Answers a request for one of ollana's own paths that its sender may not have; returns false for all others. */
  refuses = (exchange: Exchange): boolean => {
    const path = pathOf(exchange.target);
    const right = NEEDED.get(rowOf(path, exchange.method));
    if (exchange.fromHere || right === undefined) return false;
    const verdict = judgeRight(right, path, this.exposureOf(exchange));
    if (verdict.type === 'allowed') return false;
    const message = `${verdict.why}; ${verdict.remedy}`;
    answerError(exchange, new OllanaError('OLLANA_NOT_ALLOWED', message, { status: 403 }));
    return true;
  };
}

/** The row of `NEEDED` for a path: those below some paths share one. */
function rowOf(path: string, method: string): string {
  if (path.startsWith(BLOBS_PATH)) return BLOBS_PATH;
  return path.startsWith('/nodes/') && method !== 'POST' ? '/nodes' : path;
}

/** What the owner types on this machine. */
function remedyFor(right: Right, mode: 'client' | 'server', device: Device | undefined): string {
  if (mode === 'client' && right === 'manage')
    return 'call it on that machine, whose ollana is in client mode';
  const word = right === 'manage' ? ' --manage' : '';
  if (device) return `its owner can allow it there with \`ollana device allow ${device.id}${word}\``;
  return 'its owner can allow it with `ollana serve --allow manage`, or for one paired device with `ollana device allow ID --manage`';
}

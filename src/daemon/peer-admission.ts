import { OllanaError } from '../errors.ts';
import { isCloudModel } from '../ollama/names.ts';
import { pathOf } from '../ollama/routes.ts';
import type { Exchange } from '../proxy/exchange.ts';
import type { Asked } from '../proxy/want.ts';
import { LEAST_FREE_BYTES, type ModelDisk } from '../server/model-disk.ts';
import { judgeRegistry } from '../server/registry-rules.ts';

export interface PeerAdmissionOptions {
  readonly disk: Pick<ModelDisk, 'freeBytes'>;
  /** Registries beside Ollama's own that peers may name. */
  readonly registries: () => ReadonlySet<string>;
}

/** Routes by which a peer that may manage models can fill the disk. */
const FILLING: ReadonlySet<string> = new Set(['/api/pull', '/api/create', '/api/blobs/']);
/** Those that name a registry. */
const MOVING: ReadonlySet<string> = new Set(['/api/pull', '/api/push', '/api/create']);

/**
 * Judges the requests of other machines by the model they name, when their route is allowed: nothing on the owner's
 * ollama.com account, no registry that he has not allowed, and nothing that fills his disk. Rejects with
 * OLLANA_NOT_ALLOWED (403), OLLANA_BAD_REQUEST (413) where the model cannot be seen, OLLANA_DISK_FULL (507).
 */
export function peerAdmission({
  disk,
  registries,
}: PeerAdmissionOptions): (exchange: Exchange, asked: Asked) => Promise<void> {
  return async ({ fromHere, route, target, method, request }, { model, source, unread }) => {
    if (fromHere) return;
    if (unread && (route.class === 'inference' || MOVING.has(route.path))) throw unreadable();
    refuseCloud({ model, source });
    const wrong = judgeRegistry({ path: pathOf(target), model, source }, registries());
    if (wrong !== undefined) throw new OllanaError('OLLANA_NOT_ALLOWED', wrong, { status: 403 });
    if (method !== 'POST' || !FILLING.has(route.path)) return;
    const size = route.path === '/api/blobs/' ? Number(request.headers['content-length'] ?? 0) : 0;
    const free = await disk.freeBytes();
    if (free === undefined || free - size >= LEAST_FREE_BYTES) return;
    throw new OllanaError(
      'OLLANA_DISK_FULL',
      `${gigabytes(free)} are free where this machine keeps its models, and ${gigabytes(LEAST_FREE_BYTES)} stay free for its owner: remove a model there with \`ollana rm MODEL\`, or pull on that machine itself`,
      { status: 507 },
    );
  };
}

/** Another machine's request whose model cannot be seen, where that counts. */
export function unreadable(): OllanaError {
  return new OllanaError(
    'OLLANA_BAD_REQUEST',
    'this request cannot be looked through for its model, so it is refused from other machines: send it smaller, or not compressed',
    { status: 413 },
  );
}

/** Throws OLLANA_NOT_ALLOWED (403) when another machine asks for a model that runs on the owner's ollama.com account. */
export function refuseCloud({ model, source }: Pick<Asked, 'model' | 'source'>): void {
  // A copy of one under another name would be run on the account of whoever owns this machine, too.
  const cloud = [model, source].find((name) => name !== undefined && isCloudModel(name));
  if (cloud === undefined) return;
  throw new OllanaError(
    'OLLANA_NOT_ALLOWED',
    `${cloud} runs on ollama.com on this machine's account, so it is refused from other machines; use it on that machine`,
    { status: 403 },
  );
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

import type { Substitution } from '../config/substitute.ts';
import { withModel } from '../ollama/body-edit.ts';
import type { Router } from '../routing/router.ts';
import { substituteFor } from '../routing/substitute.ts';
import type { Body } from './body.ts';
import type { Exchange } from './exchange.ts';
import { headerText } from './headers.ts';
import type { Asked } from './want.ts';

export interface SubstituteOptions {
  readonly router: Router;
  /** Which other models may answer; absent: none. */
  readonly substitute?: Substitution | undefined;
}

/** Routes whose answers are comparable from model to model; vectors of another model are worth nothing. */
const PATHS: ReadonlySet<string> = new Set([
  '/api/generate',
  '/api/chat',
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/responses',
  '/v1/messages',
]);

/**
 * The body that asks another model, or undefined when the wanted one is to be asked; see `substituteFor`. The change
 * is told in the answer's headers. A body that is compressed or too long to be kept stays as it is, and so does that
 * of a client which has named its server. Never throws.
 */
export function substituted(
  { router, substitute }: SubstituteOptions,
  exchange: Exchange,
  { model, work }: Asked,
  body: Body,
): Body | undefined {
  if (!substitute || model === undefined || !work() || body.type !== 'whole') return undefined;
  // A key that is for some models runs no others.
  if (exchange.key?.models !== undefined) return undefined;
  if (exchange.named !== undefined || !PATHS.has(exchange.route.path)) return undefined;
  if (exchange.request.headers['content-encoding'] !== undefined) return undefined;
  const used = substituteFor(model, substitute, router.pool());
  const bytes = used === undefined ? undefined : withModel(body.bytes, used);
  if (!bytes) return undefined;
  exchange.changes.set('X-Ollana-Substituted', headerText(`${model} -> ${used}`));
  return { type: 'whole', bytes, release: () => body.release() };
}

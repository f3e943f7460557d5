import type { ServerLoad } from '../fleet/load.ts';
import type { PoolServer } from '../fleet/pool.ts';
import { findContext, withContext, withoutContext } from '../ollama/body-edit.ts';
import { planContext } from '../routing/context.ts';
import type { Exchange } from './exchange.ts';
import type { Asked } from './want.ts';

export interface ProtectOptions {
  /** Spares servers a reload for a context that the loaded model covers; absent: no. */
  readonly protectContext?: boolean | undefined;
  /** What runs and waits at a server, as far as known. */
  readonly loadOf: (server: PoolServer) => ServerLoad | undefined;
}

/** Whose options Ollama reads; the protocols of others have none. */
const PATHS: ReadonlySet<string> = new Set(['/api/generate', '/api/chat', '/api/embed', '/api/embeddings']);

/**
 * The body for this server: with `options.num_ctx` taken out, or set to what its model is loaded with, where the
 * model would be loaded anew for a context that it covers already; told in the answer's headers. Compressed bodies
 * stay as they are. Never throws.
 */
export function bodyFor(
  { protectContext, loadOf }: ProtectOptions,
  { route, request }: Exchange,
  server: PoolServer,
  { modelKey, work }: Asked,
  body: Buffer,
): Buffer {
  if (!protectContext || modelKey === undefined || work()?.numCtx === undefined) return body;
  if (!PATHS.has(route.path) || request.headers['content-encoding'] !== undefined) return body;
  const asked = findContext(body);
  if (!asked) return body;
  const plan = planContext(asked.tokens, modelKey, server, loadOf(server));
  if (plan.type === 'keep') return body;
  return plan.type === 'drop' ? withoutContext(body, asked) : withContext(body, asked, plan.tokens);
}

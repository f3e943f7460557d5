import { postMessages } from './anthropic.ts';
import { headBlob, postBlob } from './blobs.ts';
import { postEmbed, postEmbeddings, postV1Embeddings } from './embed.ts';
import type { Exchange } from './exchange.ts';
import { postChat, postGenerate } from './generate.ts';
import { getPs, getTags, getV1Model, getV1Models, postShow } from './listing.ts';
import { deleteModel, postCopy, postCreate, postMe, postPull, postPush } from './manage.ts';
import { postChatCompletions, postCompletions } from './openai.ts';
import { json, text } from './reply.ts';
import { postResponses } from './responses.ts';
import type { World } from './world.ts';

export type Handler = (world: World, exchange: Exchange) => Promise<void>;

export interface Route {
  readonly handle: Handler;
  /** The route reads the request body itself. */
  readonly ownBody: boolean;
}

const root: Handler = async (_, exchange) =>
  text(exchange, 200, 'Ollama is running', 'text/plain; charset=utf-8');
const version: Handler = async (world, exchange) => json(exchange, 200, { version: world.version });
const status: Handler = async (_, exchange) =>
  json(exchange, 200, { cloud: { disabled: false, source: 'none' } });

/** Path (`*` = one more segment) to method to handler. */
const ROUTES: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  '/': { GET: root, HEAD: root },
  '/api/version': { GET: version, HEAD: version },
  '/api/status': { GET: status },
  '/api/tags': { GET: getTags, HEAD: getTags },
  '/api/ps': { GET: getPs },
  '/api/show': { POST: postShow },
  '/api/generate': { POST: postGenerate },
  '/api/chat': { POST: postChat },
  '/api/embed': { POST: postEmbed },
  '/api/embeddings': { POST: postEmbeddings },
  '/api/pull': { POST: postPull },
  '/api/push': { POST: postPush },
  '/api/create': { POST: postCreate },
  '/api/copy': { POST: postCopy },
  '/api/delete': { DELETE: deleteModel },
  '/api/me': { POST: postMe },
  '/api/blobs/*': { POST: postBlob, HEAD: headBlob },
  '/v1/chat/completions': { POST: postChatCompletions },
  '/v1/completions': { POST: postCompletions },
  '/v1/embeddings': { POST: postV1Embeddings },
  '/v1/models': { GET: getV1Models },
  '/v1/models/*': { GET: getV1Model },
  '/v1/responses': { POST: postResponses },
  '/v1/messages': { POST: postMessages },
};

/** What serves a request, or why nothing does: an unknown path, a wrong method, a slash too many. */
export function findRoute(method: string, path: string): Route | 'unknown' | 'wrong-method' | 'slash' {
  const methods = methodsOf(path);
  if (!methods)
    return path.length > 1 && path.endsWith('/') && methodsOf(path.slice(0, -1)) ? 'slash' : 'unknown';
  const handle = Object.hasOwn(methods, method) ? methods[method] : undefined;
  return handle ? { handle, ownBody: handle === postBlob } : 'wrong-method';
}

function methodsOf(path: string): Readonly<Record<string, Handler>> | undefined {
  if (Object.hasOwn(ROUTES, path)) return ROUTES[path];
  const parent = path.slice(0, path.lastIndexOf('/'));
  const segment = path.slice(parent.length + 1);
  const pattern = `${parent}/*`;
  return segment !== '' && segment !== '*' && Object.hasOwn(ROUTES, pattern) ? ROUTES[pattern] : undefined;
}

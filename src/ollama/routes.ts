/**
 * What ollana knows about Ollama's HTTP interface, as data (server/routes.go: GenerateRoutes). Requests are
 * never validated against it: the upstream is the authority; an unlisted path is class `unknown`.
 */

export type RouteClass =
  /** Runs a model; no side effects, so it may be repeated elsewhere until a byte reached the client. */
  | 'inference'
  /** A list that is merged over all servers. */
  | 'aggregate'
  /** About one model; any server that holds it can answer. */
  | 'holder'
  /** `GET /` and `HEAD /`: about this address itself. */
  | 'liveness'
  /** Changes what one server stores; never repeated by itself. */
  | 'pinned'
  /** Changes what every server that is concerned stores; never repeated by itself. */
  | 'broadcast'
  /** Acts on a machine's ollama.com identity. */
  | 'identity'
  | 'unknown';

/** How a client of the route expects to be told of an error. */
export type Protocol = 'ollama' | 'openai' | 'anthropic' | 'responses';

export interface Route {
  readonly methods: readonly string[];
  /** Exact path, or a prefix when it ends in `/`. */
  readonly path: string;
  readonly class: RouteClass;
  readonly protocol: Protocol;
}

const GET = ['GET'];
const GET_OR_HEAD = ['GET', 'HEAD'];
const POST = ['POST'];

function route(
  methods: readonly string[],
  path: string,
  cls: RouteClass,
  protocol: Protocol = 'ollama',
): Route {
  return { methods, path, class: cls, protocol };
}

export const ROUTES: readonly Route[] = [
  route(GET_OR_HEAD, '/', 'liveness'),
  route(GET_OR_HEAD, '/api/version', 'aggregate'),
  route(GET_OR_HEAD, '/api/tags', 'aggregate'),
  route(GET, '/api/ps', 'aggregate'),
  route(GET, '/v1/models', 'aggregate', 'openai'),
  route(GET, '/v1/models/', 'holder', 'openai'),
  route(POST, '/api/show', 'holder'),
  route(POST, '/api/generate', 'inference'),
  route(POST, '/api/chat', 'inference'),
  route(POST, '/api/embed', 'inference'),
  route(POST, '/api/embeddings', 'inference'),
  route(POST, '/v1/chat/completions', 'inference', 'openai'),
  route(POST, '/v1/completions', 'inference', 'openai'),
  route(POST, '/v1/embeddings', 'inference', 'openai'),
  route(POST, '/v1/audio/transcriptions', 'inference', 'openai'),
  route(POST, '/v1/responses', 'inference', 'responses'),
  route(POST, '/v1/messages', 'inference', 'anthropic'),
  route(POST, '/api/pull', 'pinned'),
  route(POST, '/api/push', 'pinned'),
  route(POST, '/api/create', 'pinned'),
  route(POST, '/api/copy', 'pinned'),
  route(['DELETE'], '/api/delete', 'broadcast'),
  route(['POST', 'HEAD'], '/api/blobs/', 'pinned'),
  route(GET, '/api/status', 'identity'),
  route(POST, '/api/me', 'identity'),
  route(POST, '/api/signout', 'identity'),
  route(['DELETE'], '/api/user/keys/', 'identity'),
  route(POST, '/api/experimental/web_search', 'identity'),
  route(POST, '/api/experimental/web_fetch', 'identity'),
  route(GET, '/api/experimental/model-recommendations', 'identity'),
];

const EXACT = new Map<string, Route>();
const PREFIXES: Route[] = [];
for (const row of ROUTES) {
  if (row.path.length > 1 && row.path.endsWith('/')) PREFIXES.push(row);
  else for (const method of row.methods) EXACT.set(`${method} ${row.path}`, row);
}

/** The path of a request target without its query. */
export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}

/** The table row for a request, or one of class `unknown`; `target` may carry a query. Pure. */
export function routeOf(method: string, target: string): Route {
  const path = pathOf(target);
  const exact = EXACT.get(`${method} ${path}`);
  if (exact) return exact;
  const prefixed = PREFIXES.find(
    (row) => path.length > row.path.length && path.startsWith(row.path) && row.methods.includes(method),
  );
  return prefixed ?? { methods: [method], path, class: 'unknown', protocol: protocolOf(path) };
}

function protocolOf(path: string): Protocol {
  if (path.startsWith('/v1/messages')) return 'anthropic';
  return path.startsWith('/v1/') ? 'openai' : 'ollama';
}

/** Every name that `routeName` gives. */
export const ROUTE_NAMES: readonly string[] = [...new Set(ROUTES.map(nameOf)), 'ollana', 'other'];

/**
 * What a request is counted under: the path in the table with `*` for what varies, `ollana` for ollana's own paths,
 * `other` for what Ollama does not have. Pure.
 */
export function routeName(route: Route, isOwnPath: boolean): string {
  if (isOwnPath) return 'ollana';
  return route.class === 'unknown' ? 'other' : nameOf(route);
}

function nameOf({ path }: Route): string {
  return path.length > 1 && path.endsWith('/') ? `${path}*` : path;
}

/** Whether Ollama has this path under any method. Pure. */
export function isKnownPath(path: string): boolean {
  return ROUTES.some(
    (row) =>
      row.path === path || (row.path.length > 1 && row.path.endsWith('/') && path.startsWith(row.path)),
  );
}

import { isIP } from 'node:net';
import { unbracketed } from '../config/host.ts';
import { AUTHORIZE_PATH, REFUSED_TEXT } from '../fleet/rust-server.ts';
import { pathOf } from '../ollama/routes.ts';
import { isAllowedHost, type OwnNames } from '../security/host-rules.ts';
import { judgeOrigin, PREFLIGHT_HEADERS } from '../security/origin-rules.ts';
import type { Exchange } from './exchange.ts';

export interface GuardOptions {
  /** Read for each request: addresses come and go. */
  readonly own: () => OwnNames;
  /** The user's extra origins; read for each request, too. */
  readonly origins: () => readonly string[];
}

/**
 * Keeps web pages of others out, by Ollama's own rules and before anything else: a foreign Origin (a page that
 * posts to localhost), then a foreign Host (a name rebound to this machine). Returns whether the request may go
 * on; otherwise it has been answered: 403 without a body, 400 where it says twice who it is, or 204 to a preflight. Who asks whether he may use this
 * server is told no with 401: clients of ollana 0.5 and 0.6 end themselves on any other refusal.
 */
export function passGuard(guard: GuardOptions, exchange: Exchange): boolean {
  const origins = guard.origins();
  const { request, response } = exchange;
  const { origin, host = '' } = request.headers;
  const twice = twiceIn(request.rawHeaders);
  if (twice !== undefined) return refuse(exchange, `it has more than one ${twice} header`, 400);
  const verdict = judgeOrigin(origin, host, origins);
  if (verdict === 'refused')
    return refuse(exchange, `Origin ${origin} is not allowed (OLLANA_ORIGINS adds one)`);
  if (verdict === 'allowed' && origin !== undefined) {
    const all = origins.includes('*');
    exchange.extraHeaders.push('Access-Control-Allow-Origin', all ? '*' : origin);
    if (!all) exchange.extraHeaders.push('Vary', 'Origin');
    if (exchange.method === 'OPTIONS') {
      const vary = ['Vary', 'Access-Control-Request-Method', 'Vary', 'Access-Control-Request-Headers'];
      const preflight = Object.entries(PREFLIGHT_HEADERS).flat();
      response.writeHead(204, [...exchange.extraHeaders, ...vary, ...preflight]);
      response.end();
      return false;
    }
  }
  if (!isAllowedHost(host, guard.own())) return refuse(exchange, `Host ${host} does not name this machine`);
  // Asked by an address, Ollama has its router answer: 405, or 404 where there is no such path.
  if (exchange.method === 'OPTIONS' && !isAddress(host)) {
    response.writeHead(204);
    response.end();
    return false;
  }
  return true;
}

/** Whether a Host header is a literal address, with or without a port. */
function isAddress(host: string): boolean {
  return isIP(unbracketed(host.replace(/:\d*$/, ''))) !== 0;
}

/**
 * The header by which a request is judged and of which it has two: who reads the last one judges another request. For
 * Host RFC 9112 3.2 has it refused, as Go does; Node shows the first Host, and all Origins as one.
 */
function twiceIn(raw: readonly string[]): 'Host' | 'Origin' | undefined {
  let [hosts, origins] = [0, 0];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    if (name.length === 6 && name.toLowerCase() === 'origin') origins += 1;
  }
  return hosts > 1 ? 'Host' : origins > 1 ? 'Origin' : undefined;
}

function refuse(exchange: Exchange, why: string, unasked = 403): false {
  exchange.error = why;
  const asksLeave = exchange.method === 'POST' && pathOf(exchange.target) === AUTHORIZE_PATH;
  const [status, text] = asksLeave ? [401, REFUSED_TEXT] : [unasked, ''];
  const type = asksLeave ? ['Content-Type', 'text/plain; charset=utf-8'] : [];
  exchange.response.writeHead(status, [
    ...exchange.extraHeaders,
    ...type,
    'Content-Length',
    String(text.length),
  ]);
  exchange.response.end(text);
  return false;
}

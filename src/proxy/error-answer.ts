import { OllanaError, reasonOf, type ServerEnd } from '../errors.ts';
import type { Protocol } from '../ollama/routes.ts';
import type { Exchange } from './exchange.ts';

/**
 * The body of an error in the shape that clients of the protocol read. `servers` stands beside the message in
 * Ollama's shape, whose clients read `error` alone; only its routes go to several servers. Pure.
 */
export function errorBody(
  protocol: Protocol,
  status: number,
  message: string,
  requestId: string,
  servers?: readonly ServerEnd[],
): string {
  if (protocol === 'anthropic') {
    const type = status === 503 || status === 529 ? 'overloaded_error' : anthropicType(status);
    return JSON.stringify({ type: 'error', error: { type, message }, request_id: requestId });
  }
  if (protocol === 'openai' || protocol === 'responses') {
    const code = OPENAI_CODES[status] ?? null;
    return JSON.stringify({ error: { message, type: openaiType(status), param: null, code } });
  }
  return JSON.stringify({ error: message, servers });
}

/** What OpenAI calls a key that is missing or wrong, and one that is used too often. */
const OPENAI_CODES: Readonly<Record<number, string>> = { 401: 'invalid_api_key', 429: 'rate_limit_exceeded' };

function openaiType(status: number): string {
  if (status === 404) return 'not_found_error';
  return status < 500 ? 'invalid_request_error' : 'api_error';
}

function anthropicType(status: number): string {
  if (status === 404) return 'not_found_error';
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'api_error';
}

/** Header by which one ollana tells another that an error is its own and of what kind. */
export const ERROR_HEADER = 'X-Ollana-Error';

/**
 * Answers with an error of ollana's own; a response that has begun is cut off instead. Anything thrown that is
 * not an `OllanaError` is a defect of ours and says so with 500.
 */
export function answerError(exchange: Exchange, thrown: unknown): void {
  const { response, request, route, id } = exchange;
  const error = thrown instanceof OllanaError ? thrown : undefined;
  const status = error?.status ?? 500;
  const message = error?.message ?? `ollana failed: ${reasonOf(thrown)}`;
  exchange.error = message;
  exchange.errorCode = error?.code;
  exchange.limit ??= error?.limit;
  if (response.destroyed) return;
  if (response.headersSent) return void response.destroy();
  const body = errorBody(route.protocol, status, message, id, error?.servers);
  const headers = [
    ...exchange.extraHeaders,
    'Content-Type',
    'application/json; charset=utf-8',
    'Content-Length',
    String(Buffer.byteLength(body)),
    ERROR_HEADER,
    error?.code ?? 'OLLANA_INTERNAL',
    'X-Ollana-Request-Id',
    id,
  ];
  if (error?.retryAfterS !== undefined) headers.push('Retry-After', String(error.retryAfterS));
  response.writeHead(status, headers);
  response.end(request.method === 'HEAD' ? undefined : body);
}

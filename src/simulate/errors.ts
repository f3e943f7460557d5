/** The error body of a path's dialect: OpenAI's and Anthropic's under /v1, Ollama's own elsewhere. */
export function errorBody(
  path: string,
  status: number,
  message: string,
  extra: Readonly<Record<string, unknown>> = {},
): unknown {
  if (path === '/v1/messages') {
    return { type: 'error', error: { type: anthropicType(status), message }, request_id: 'req_simulated' };
  }
  if (path.startsWith('/v1/')) {
    return { error: { message, type: openaiType(status), param: null, code: null } };
  }
  return { error: message, ...extra };
}

function openaiType(status: number): string {
  if (status === 400) return 'invalid_request_error';
  return status === 404 ? 'not_found_error' : 'api_error';
}

function anthropicType(status: number): string {
  const types: Readonly<Record<number, string>> = {
    400: 'invalid_request_error',
    401: 'authentication_error',
    403: 'permission_error',
    404: 'not_found_error',
    429: 'rate_limit_error',
    503: 'overloaded_error',
    529: 'overloaded_error',
  };
  return types[status] ?? 'api_error';
}

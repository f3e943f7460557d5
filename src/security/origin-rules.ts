/**
 * Origins that Ollama always accepts (envconfig/config.go: AllowedOrigins): this machine's own pages on any
 * port, and the schemes of desktop apps and editors.
 */
const ALWAYS: readonly string[] = [
  ...['localhost', '127.0.0.1', '0.0.0.0'].flatMap((host) => [
    `http://${host}`,
    `https://${host}`,
    `http://${host}:*`,
    `https://${host}:*`,
  ]),
  'app://*',
  'file://*',
  'tauri://*',
  'vscode-webview://*',
  'vscode-file://*',
];

export type OriginVerdict =
  /** Not a cross-origin request: no headers are owed. */
  | 'same'
  /** Allowed, and told so in CORS headers. */
  | 'allowed'
  /** 403 with an empty body, for any method: the only protection against a foreign page's POST. */
  | 'refused';

/**
 * Judges the Origin of a request as gin-contrib/cors v1.7.2 does in Ollama; `extra` are the user's
 * OLLAMA_ORIGINS and OLLANA_ORIGINS entries, each exact or with one `*`. Pure.
 */
export function judgeOrigin(
  origin: string | undefined,
  host: string,
  extra: readonly string[],
): OriginVerdict {
  if (origin === undefined || origin === '') return 'same';
  if (origin === `http://${host}` || origin === `https://${host}`) return 'same';
  return [...ALWAYS, ...extra].some((pattern) => matches(origin, pattern.toLowerCase()))
    ? 'allowed'
    : 'refused';
}

function matches(origin: string, pattern: string): boolean {
  if (pattern === '*') return true;
  const star = pattern.indexOf('*');
  if (star === -1) return origin === pattern;
  const head = pattern.slice(0, star);
  const tail = pattern.slice(star + 1);
  return origin.length >= head.length + tail.length && origin.startsWith(head) && origin.endsWith(tail);
}

/** Headers of the answer to a preflight (OPTIONS) from an allowed origin, as Ollama sends them. */
export const PREFLIGHT_HEADERS: Readonly<Record<string, string>> = {
  'Access-Control-Allow-Methods': 'GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS',
  'Access-Control-Allow-Headers': [
    'Authorization',
    'Content-Type',
    'User-Agent',
    'Accept',
    'X-Requested-With',
    'Openai-Beta',
    ...[
      'Arch',
      'Async',
      'Custom-Poll-Interval',
      'Helper-Method',
      'Lang',
      'Os',
      'Package-Version',
      'Poll-Helper',
      'Retry-Count',
      'Runtime',
      'Runtime-Version',
      'Timeout',
    ].map((name) => `X-Stainless-${name}`),
  ].join(','),
  'Access-Control-Max-Age': String(12 * 3600),
};

import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** What the guard needs to know of the machine and the listener. */
export interface GuardPlace {
  /** Bound to a loopback address; elsewhere Ollama does not look at `Host`. */
  readonly loopback: boolean;
  readonly hostname: string;
  /** The machine's own interface addresses. */
  readonly addresses: readonly string[];
}

export type GuardVerdict = 'pass' | 'forbidden' | 'preflight';

const PRIVATE = new BlockList();
PRIVATE.addSubnet('127.0.0.0', 8);
PRIVATE.addSubnet('10.0.0.0', 8);
PRIVATE.addSubnet('172.16.0.0', 12);
PRIVATE.addSubnet('192.168.0.0', 16);
PRIVATE.addAddress('0.0.0.0');
PRIVATE.addSubnet('fc00::', 7, 'ipv6');
PRIVATE.addAddress('::1', 'ipv6');
PRIVATE.addAddress('::', 'ipv6');

/** Headers of Ollama's preflight answers, besides the echoed origin. */
export const PREFLIGHT_HEADERS = {
  'Access-Control-Allow-Headers':
    'Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,X-Stainless-Arch,X-Stainless-Async,X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os,X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,X-Stainless-Runtime,X-Stainless-Runtime-Version,X-Stainless-Timeout',
  'Access-Control-Allow-Methods': 'GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS',
  'Access-Control-Max-Age': '43200',
} as const;

/** Ollama's Origin rule, then its Host rule: what happens to a request with these headers. */
export function judge(method: string, headers: IncomingHttpHeaders, place: GuardPlace): GuardVerdict {
  const host = headers.host ?? '';
  const origin = headers.origin;
  if (origin !== undefined && !originAllowed(origin, host)) return 'forbidden';
  if (origin !== undefined && method === 'OPTIONS') return 'preflight';
  if (!place.loopback) return 'pass';
  const name = hostName(host);
  if (name === undefined) return 'forbidden';
  if (isIP(name)) {
    return PRIVATE.check(name, isIP(name) === 6 ? 'ipv6' : 'ipv4') || place.addresses.includes(name)
      ? 'pass'
      : 'forbidden';
  }
  if (!nameAllowed(name.toLowerCase(), place.hostname.toLowerCase())) return 'forbidden';
  return method === 'OPTIONS' ? 'preflight' : 'pass';
}

function originAllowed(origin: string, host: string): boolean {
  if (origin === `http://${host}` || origin === `https://${host}`) return true;
  return (
    /^https?:\/\/(localhost|127\.0\.0\.1|0\.0\.0\.0)(:.*)?$/.test(origin) ||
    /^(app|file|tauri|vscode-webview|vscode-file):\/\//.test(origin)
  );
}

/** The name before the port; undefined for `[::1]` without a port, which Ollama's parser refuses. */
function hostName(host: string): string | undefined {
  const bracketed = /^\[([^\]]*)\](:\d*)?$/.exec(host);
  if (bracketed) return bracketed[2] === undefined ? undefined : bracketed[1];
  return host.replace(/:\d*$/, '');
}

function nameAllowed(name: string, own: string): boolean {
  return name === '' || name === 'localhost' || name === own || /\.(localhost|local|internal)$/.test(name);
}

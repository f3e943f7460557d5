import type { OutgoingHttpHeaders } from 'node:http';

/** Headers of one connection, never of a message (RFC 9110 section 7.6.1), and Expect, which Node has answered. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);

/** Ours to set: a server's own would contradict what really happened here. */
const OURS = /^x-ollana-/i;

/** Addressed to us: they say how a request came here, not where it goes on to. */
const OWN_TO_US = /^x-ollana-(server|grant|if-free|device|device-id)$/;

/** Calls `take` for each name and value in Node's flat `rawHeaders`. */
function eachHeader(
  raw: readonly string[],
  take: (name: string, lower: string, value: string) => void,
): void {
  const listed = new Set<string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() !== 'connection') continue;
    for (const name of raw[i + 1]?.split(',') ?? []) listed.add(name.trim().toLowerCase());
  }
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const lower = name.toLowerCase();
    if (!HOP_BY_HOP.has(lower) && !listed.has(lower)) take(name, lower, raw[i + 1] ?? '');
  }
}

export interface ForwardHeaderOptions {
  /** Authority of the server that the request goes to. */
  readonly host: string;
  /** Our entry in `Via`. */
  readonly via: string;
  /** Bytes of the body when it is all there; undefined for none or for one that streams. */
  readonly contentLength: number | undefined;
  /** Headers to add, flat. */
  readonly extra?: readonly string[];
}

/**
 * Request headers for a server: the client's own in their case and number, less those of the connection, with
 * Host for the server and no Origin, which its Ollama would judge by a list that is not the client's. Pure.
 */
export function forwardHeaders(raw: readonly string[], options: ForwardHeaderOptions): OutgoingHttpHeaders {
  // Without a prototype: a header may be called `constructor`.
  const headers: Record<string, string | string[]> = Object.create(null);
  headers.host = options.host;
  const spelling = new Map<string, string>();
  const via: string[] = [];
  eachHeader(raw, (name, lower, value) => {
    if (lower === 'host' || lower === 'origin' || OWN_TO_US.test(lower)) return;
    if (lower === 'content-length') {
      if (options.contentLength === undefined) headers['content-length'] = value;
      return;
    }
    if (lower === 'via') {
      via.push(value);
      return;
    }
    const spelled = spelling.get(lower) ?? name;
    spelling.set(lower, spelled);
    const before = headers[spelled];
    headers[spelled] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  });
  const { extra = [] } = options;
  for (let i = 0; i + 1 < extra.length; i += 2) headers[extra[i] ?? ''] = extra[i + 1] ?? '';
  headers.via = [...via, options.via].join(', ');
  // Lower case because http-proxy looks for it so when it guards DELETE.
  if (options.contentLength !== undefined) headers['content-length'] = String(options.contentLength);
  return headers;
}

/** Response headers for the client, flat as Node takes them, with `extra` (also flat) added. Pure. */
export function answerHeaders(raw: readonly string[], extra: readonly string[]): string[] {
  const headers: string[] = [];
  eachHeader(raw, (name, _lower, value) => {
    if (!OURS.test(name)) headers.push(name, value);
  });
  headers.push(...extra);
  return headers;
}

/** Text as a header value: what is not printable ASCII becomes `?`. Pure. */
export function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

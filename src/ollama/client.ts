import http, { type IncomingHttpHeaders } from 'node:http';
import https from 'node:https';
import type { Clock } from '../clock.ts';
import { requestTo } from '../config/host.ts';
import { OllanaError } from '../errors.ts';
import { peerIdOf, readyEvent } from '../security/dial.ts';
import type { PathAgent } from '../security/path-agent.ts';
import { parseJson } from './parse-json.ts';

export interface FetchOptions {
  readonly clock: Clock;
  /** Limit for the TCP (and TLS) handshake, ms. */
  readonly connectTimeoutMs: number;
  /** Limit for the whole exchange, ms. */
  readonly timeoutMs: number;
  /** Makes the connections, and may keep them; without one a fresh one is made, for `http:` URLs in the clear. */
  readonly agent?: PathAgent | undefined;
  readonly signal?: AbortSignal;
  /** Extra request headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** GET unless given. */
  readonly method?: string;
  /** What is sent; nothing unless given. */
  readonly body?: Buffer;
}

export interface Fetched {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly contentType: string;
  readonly body: Buffer;
  /** The device that has proved itself on the connection; absent where none has, and where an authority vouches. */
  readonly deviceId?: string;
}

/** Tells another ollana that no app is asking: it must answer for itself then, and ask nobody else. */
export const OWN_VIA = '1.1 ollana';

/** Lists of a server with hundreds of models are a few hundred kB; a hostile server gets no further. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/**
 * Has a small exchange with a server: probes, lists, and what goes to several servers at once. Rejects with
 * `OLLANA_DIAL_FAILED` when no connection came about, `OLLANA_UPSTREAM_SILENT` when no whole answer came
 * within `timeoutMs`, `OLLANA_UPSTREAM_FAILED` for any other break; an abort rejects as the latter.
 */
export function fetchSmall(url: string, options: FetchOptions): Promise<Fetched> {
  return new Promise((resolve, reject) => {
    let connected = false;
    const secure = url.startsWith('https:');
    const { headers, ...to } = requestTo(url);
    const request = (secure ? https : http).request({
      ...to,
      agent: options.agent ?? false,
      method: options.method ?? 'GET',
      headers: {
        ...headers,
        accept: 'application/json',
        via: OWN_VIA,
        ...(options.body && { 'content-length': String(options.body.length) }),
        ...options.headers,
      },
      ...(options.signal && { signal: options.signal }),
    });
    const stopDial = options.clock.after(options.connectTimeoutMs, () =>
      request.destroy(new Error(`no connection within ${options.connectTimeoutMs} ms`)),
    );
    const stopWhole = options.clock.after(options.timeoutMs, () => {
      settle(() =>
        reject(
          new OllanaError('OLLANA_UPSTREAM_SILENT', `no answer from ${url} within ${options.timeoutMs} ms`),
        ),
      );
      request.destroy();
    });
    const settle = (how: () => void) => {
      stopDial();
      stopWhole();
      how();
    };
    request.on('socket', (socket) => {
      const up = () => {
        // Whoever is there may have been refused by its certificate.
        connected = !socket.destroyed;
        stopDial();
      };
      if (socket.connecting) socket.once(readyEvent(socket), up);
      else up();
    });
    request.on('error', (cause) => {
      const code = connected ? 'OLLANA_UPSTREAM_FAILED' : 'OLLANA_DIAL_FAILED';
      settle(() =>
        reject(cause instanceof OllanaError ? cause : new OllanaError(code, cause.message, { cause })),
      );
    });
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      // Asked now: at the end the connection may be gone. Whom an authority vouches for is known by name.
      const deviceId = secure ? undefined : peerIdOf(response.socket);
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_BODY_BYTES) request.destroy(new Error(`answer larger than ${MAX_BODY_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on('end', () =>
        settle(() =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            contentType: String(response.headers['content-type'] ?? ''),
            body: Buffer.concat(chunks),
            ...(deviceId !== undefined && { deviceId }),
          }),
        ),
      );
      response.on('error', (cause) =>
        settle(() => reject(new OllanaError('OLLANA_UPSTREAM_FAILED', cause.message, { cause }))),
      );
    });
    request.end(options.body);
  });
}

/** The JSON object in a 200 answer of `fetchSmall`; rejects with `OLLANA_UPSTREAM_FAILED` for anything else. */
export async function fetchJson(url: string, options: FetchOptions): Promise<Record<string, unknown>> {
  const { status, body } = await fetchSmall(url, options);
  if (status !== 200) throw new OllanaError('OLLANA_UPSTREAM_FAILED', `${url} answered ${status}`);
  let value: unknown;
  try {
    value = parseJson(body.toString('utf8'));
  } catch (cause) {
    throw new OllanaError('OLLANA_UPSTREAM_FAILED', `${url} did not answer JSON`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OllanaError('OLLANA_UPSTREAM_FAILED', `${url} did not answer a JSON object`);
  }
  return value as Record<string, unknown>;
}

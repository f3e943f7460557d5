import http, { type IncomingHttpHeaders } from 'node:http';
import https from 'node:https';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import { requestTo } from '../config/host.ts';
import { OllanaError } from '../errors.ts';
import { type Pin, pinnedReason, pinnedTls, secureUrl } from '../security/pin.ts';

export interface FetchOptions {
  readonly clock: Clock;
  /** Limit for the TCP (and TLS) handshake, ms. */
  readonly connectTimeoutMs: number;
  /** Limit for the whole exchange, ms. */
  readonly timeoutMs: number;
  /** Reuse connections through this agent; without one a fresh connection is made, which tests the path. */
  readonly agent?: http.Agent;
  readonly signal?: AbortSignal;
  /** Extra request headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** GET unless given. */
  readonly method?: string;
  /** What is sent; nothing unless given. */
  readonly body?: Buffer;
  /** Takes any certificate: to see who is there, never for what may be said to one host only. */
  readonly anyCertificate?: boolean;
  /** Asks this server only, by TLS and over a fresh connection. */
  readonly pin?: Pin | undefined;
}

export interface Fetched {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly contentType: string;
  /** What the server has shown (DER); absent where it spoke without TLS. */
  readonly certificate?: Buffer;
  readonly body: Buffer;
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
    const { pin } = options;
    const target = pin ? secureUrl(url) : url;
    const secure = target.startsWith('https:');
    const { headers, ...to } = requestTo(target);
    const request = (secure ? https : http).request({
      ...to,
      agent: pin ? false : (options.agent ?? false),
      method: options.method ?? 'GET',
      headers: {
        ...headers,
        accept: 'application/json',
        via: OWN_VIA,
        ...(options.body && { 'content-length': String(options.body.length) }),
        ...options.headers,
        ...pin?.headers,
      },
      ...(options.signal && { signal: options.signal }),
      ...(options.anyCertificate && { rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }),
      ...(pin && pinnedTls(pin)),
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
        connected = true;
        stopDial();
      };
      if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', up);
      else up();
    });
    request.on('error', (cause) => {
      const code = connected ? 'OLLANA_UPSTREAM_FAILED' : 'OLLANA_DIAL_FAILED';
      const reason = pin ? pinnedReason(cause) : cause.message;
      settle(() => reject(new OllanaError(code, reason, { cause })));
    });
    request.on('response', (response) => {
      const certificate = certificateOf(response);
      const chunks: Buffer[] = [];
      let bytes = 0;
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
            ...(certificate && { certificate }),
            body: Buffer.concat(chunks),
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

function certificateOf({ socket }: http.IncomingMessage): Buffer | undefined {
  return socket instanceof TLSSocket ? socket.getPeerCertificate().raw : undefined;
}

/** The JSON object in a 200 answer of `fetchSmall`; rejects with `OLLANA_UPSTREAM_FAILED` for anything else. */
export async function fetchJson(url: string, options: FetchOptions): Promise<Record<string, unknown>> {
  const { status, body } = await fetchSmall(url, options);
  if (status !== 200) throw new OllanaError('OLLANA_UPSTREAM_FAILED', `${url} answered ${status}`);
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new OllanaError('OLLANA_UPSTREAM_FAILED', `${url} did not answer JSON`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OllanaError('OLLANA_UPSTREAM_FAILED', `${url} did not answer a JSON object`);
  }
  return value as Record<string, unknown>;
}

import http from 'node:http';
import https from 'node:https';
import { StringDecoder } from 'node:string_decoder';
import type { Clock } from '../clock.ts';
import { requestTo } from '../config/host.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { readyEvent } from '../security/dial.ts';
import type { PathAgent } from '../security/path-agent.ts';
import { OWN_VIA } from './client.ts';

/** What a server tells of a pull. */
export interface PullProgress {
  readonly status: string;
  /** Of the layer that is being fetched; undefined where there is none. */
  readonly digest: string | undefined;
  /** Bytes of the layer that is being fetched; undefined where there is none. */
  readonly completed: number | undefined;
  readonly total: number | undefined;
}

export interface PullOptions {
  /** Base URL of the server. */
  readonly url: string;
  readonly model: string;
  readonly clock: Clock;
  /** Makes the connection, which should be a fresh one. */
  readonly agent: PathAgent;
  /** Limit for the TCP (and TLS) handshake, ms. */
  readonly connectTimeoutMs: number;
  readonly onProgress: (progress: PullProgress) => void;
  /** Bytes of the answer, as they come. */
  readonly onBytes: (count: number) => void;
  /** An abort closes the connection at once, which ends the pull at the server. */
  readonly signal: AbortSignal;
}

/** A longer line is none of Ollama's, characters. */
const MAX_LINE = 64 * 1024;

/**
 * Has a server pull a model. Resolves when it says that it has; rejects with `OLLANA_UPSTREAM_FAILED` and its reason
 * when it cannot, when the connection breaks, or after an abort. There is no limit of time: who calls watches.
 */
export function pullModel(options: PullOptions): Promise<void> {
  const { url, agent, model, clock, connectTimeoutMs, signal } = options;
  const body = JSON.stringify({ model });
  return new Promise((resolve, reject) => {
    const failed = (reason: string) => reject(new OllanaError('OLLANA_UPSTREAM_FAILED', reason));
    const { headers, ...to } = requestTo(`${url}/api/pull`);
    const request = (url.startsWith('https:') ? https : http).request({
      ...to,
      agent,
      method: 'POST',
      headers: {
        ...headers,
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        via: OWN_VIA,
      },
      signal,
    });
    const stopDial = clock.after(connectTimeoutMs, () =>
      request.destroy(new Error(`no connection within ${connectTimeoutMs} ms`)),
    );
    request.on('socket', (socket) => socket.once(readyEvent(socket), stopDial));
    request.on('error', (error) => {
      stopDial();
      failed(reasonOf(error));
    });
    request.on('response', (response) => {
      const decoder = new StringDecoder('utf8');
      let line = '';
      let last: Line | undefined;
      const take = (text: string) => {
        if (text.trim() === '') return;
        last = readLine(text);
        if (last.status !== undefined) options.onProgress({ ...last, status: last.status });
      };
      response.on('data', (chunk: Buffer) => {
        options.onBytes(chunk.length);
        const lines = (line + decoder.write(chunk)).split('\n');
        line = lines.pop() ?? '';
        for (const one of lines) take(one);
        if (line.length > MAX_LINE) request.destroy(new Error('a line of its answer does not end'));
      });
      response.on('error', () => {}); // 'close' follows and says it.
      response.on('close', () => {
        take(line);
        if (response.complete && response.statusCode === 200 && last?.status === 'success') return resolve();
        failed(last?.error ?? (response.complete ? `it answered ${response.statusCode}` : 'it broke off'));
      });
    });
    request.end(body);
  });
}

interface Line {
  readonly status: string | undefined;
  readonly digest: string | undefined;
  readonly error: string | undefined;
  readonly completed: number | undefined;
  readonly total: number | undefined;
}

function readLine(text: string): Line {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined; // No Ollama says such a thing; the end of the answer decides.
  }
  const { status, digest, error, completed, total } = (value ?? {}) as Record<string, unknown>;
  return {
    status: typeof status === 'string' ? reasonOf({ message: status }) : undefined,
    digest: typeof digest === 'string' ? reasonOf({ message: digest }) : undefined,
    error: typeof error === 'string' ? reasonOf({ message: error }) : undefined,
    completed: typeof completed === 'number' ? completed : undefined,
    total: typeof total === 'number' ? total : undefined,
  };
}

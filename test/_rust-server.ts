import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { selfSigned } from '../src/security/self-signed.ts';
import { type Listening, listenOn } from './_cluster.ts';
import type { Generation } from './_rust-client.ts';

/** A server of the Rust ollana in front of an Ollama. */
export interface RustServer extends Listening {
  /** Method, path and headers of what it was asked, in order. */
  readonly asked: readonly { readonly line: string; readonly headers: readonly string[] }[];
}

export interface RustServerOptions {
  readonly generation: Generation;
  /** URL of its Ollama. */
  readonly ollama: string;
  /** 0.6.1 and later give every answer this type; before, there is none. */
  readonly octets?: boolean;
  /** Ids that generation 3 knows. */
  readonly allowed?: readonly string[];
  /** Idle connections are closed after this, ms; actix has 5000. */
  readonly idleMs?: number;
}

/** Starts one on loopback. It passes method, path, query and body on, and nothing of the headers, either way. */
export async function startRustServer(options: RustServerOptions): Promise<RustServer> {
  const asked: { line: string; headers: readonly string[] }[] = [];
  const answer = (incoming: IncomingMessage, response: ServerResponse) => {
    asked.push({ line: `${incoming.method} ${incoming.url}`, headers: incoming.rawHeaders });
    const id = incoming.headers['x-ollana-device-id'];
    const knows = typeof id === 'string' && (options.allowed ?? []).includes(id);
    if (options.generation === 3 && incoming.url === '/ollana/api/authorize' && knows) {
      response.writeHead(200, { 'content-type': 'application/json' });
      return response.end(JSON.stringify({ device_id: 'cd'.repeat(32) }));
    }
    if (options.generation === 3 && incoming.url !== '/api/version' && !knows) {
      incoming.resume();
      response.writeHead(401, { 'content-type': 'text/plan' }); // As it spells it.
      return response.end('Device is not authorized');
    }
    forward(options, incoming, response);
  };
  const server = options.generation === 1 ? createServer(answer) : createTlsServer(selfSigned('*'), answer);
  server.keepAliveTimeout = options.idleMs ?? 5000;
  // Node closes a second later than it says, and says it; actix says nothing.
  Object.assign(server, { keepAliveTimeoutBuffer: 0 });
  const listening = await listenOn(server);
  return { ...listening, asked };
}

function forward({ ollama, octets }: RustServerOptions, incoming: IncomingMessage, response: ServerResponse) {
  const { method = 'GET', url = '/' } = incoming;
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const sent = request(ollama + url, {
    method,
    headers: { accept: '*/*', ...(hasBody && { 'transfer-encoding': 'chunked' }) },
  });
  sent.on('response', (answered) => {
    response.sendDate = false;
    response.writeHead(answered.statusCode ?? 500, [
      ...['transfer-encoding', 'chunked'],
      ...(octets ? ['content-type', 'application/octet-stream'] : []),
    ]);
    response.flushHeaders();
    answered.on('data', (chunk) => response.write(chunk));
    answered.on('end', () => response.end());
    answered.on('error', () => response.destroy()); // Cut off without the last chunk.
  });
  sent.on('error', (error) => {
    if (response.headersSent) return response.destroy();
    response.writeHead(500);
    response.end(`error sending request for url (${ollama}${url}): ${error.message}`);
  });
  response.on('close', () => sent.destroy());
  if (hasBody) incoming.pipe(sent);
  else sent.end();
}

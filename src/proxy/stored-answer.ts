import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerHeaders } from './headers.ts';

/** An answer kept whole because another server is to be tried first. */
export interface StoredAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** Error bodies are a line of JSON; a longer one is cut off, and its server with it. */
const MAX_BODY_BYTES = 64 * 1024;

/** Reads a short answer whole. Resolves with undefined when it breaks off or is too long. */
export function storeAnswer(response: IncomingMessage): Promise<StoredAnswer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) response.destroy();
      else chunks.push(chunk);
    });
    response.once('close', () => {
      if (!response.complete || bytes > MAX_BODY_BYTES) return resolve(undefined);
      resolve({
        status: response.statusCode ?? 502,
        statusText: response.statusMessage ?? '',
        rawHeaders: response.rawHeaders,
        body: Buffer.concat(chunks),
      });
    });
  });
}

/** Sends a kept answer to the client as it came. */
export function sendStored(
  answer: StoredAnswer,
  client: ServerResponse,
  extraHeaders: readonly string[],
): void {
  if (client.destroyed || client.headersSent) return;
  client.writeHead(answer.status, answer.statusText, answerHeaders(answer.rawHeaders, extraHeaders));
  client.end(answer.body);
}

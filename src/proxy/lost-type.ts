import type { IncomingMessage } from 'node:http';
import { answerType } from '../ollama/answer-type.ts';
import type { Dispatch } from './transport.ts';

/**
 * Gives an answer the Content-Type back that it has lost at an ollana 0.1 to 0.6: those pass no header on, and send
 * every body in chunks, some of them as bytes of no type. Apps need it, and so does the search for a stream's end.
 * Ollama itself never sends a body without a type.
 */
export function restoreType(
  response: IncomingMessage,
  { target, body }: Pick<Dispatch, 'target' | 'body'>,
): void {
  const { headers, rawHeaders, statusCode: status = 502 } = response;
  const said = headers['content-type'];
  if (said !== undefined && said !== 'application/octet-stream') return;
  if (headers['transfer-encoding'] !== 'chunked') return;
  const type = answerType({ target, body: body instanceof Buffer ? body : undefined, status });
  if (type === undefined) return;
  const kept = rawHeaders.filter((_, i) => rawHeaders[i - (i % 2)]?.toLowerCase() !== 'content-type');
  response.rawHeaders = [...kept, 'Content-Type', type];
  headers['content-type'] = type;
}

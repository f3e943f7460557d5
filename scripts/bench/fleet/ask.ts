import { type Agent, type IncomingMessage, request } from 'node:http';
import type { Arrival } from '../../fleet/workload.ts';

/** What became of one request. */
export interface Outcome {
  /** From its arrival to the last byte, ms on the clock of this process. */
  readonly ms: number;
  /** Why it does not count as answered; undefined when it was answered whole. */
  readonly failure: string | undefined;
  /** It was not waited for: `ms` is how long it had taken by then. */
  readonly cut?: boolean;
  /** What an ollana says in its `X-Ollana-` headers. */
  readonly server: string | undefined;
  readonly reason: string | undefined;
  readonly attempts: number;
  readonly queueMs: number;
}

/** A request that has not ended by then is given up, ms: a run that hangs must end. */
const LIMIT_MS = 300_000;

/** Sends one turn of a conversation and reads its streamed answer to the end, or until it is cut. Never rejects. */
export async function ask(url: string, agent: Agent, arrival: Arrival, cut?: AbortSignal): Promise<Outcome> {
  const sentAt = performance.now();
  const body = JSON.stringify({ model: arrival.job.model.name, messages: arrival.messages });
  const told = await new Promise<{ failure: string | undefined; answer?: IncomingMessage }>((resolve) => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const limit = AbortSignal.timeout(LIMIT_MS);
    const signal = cut ? AbortSignal.any([limit, cut]) : limit;
    const sent = request(new URL('/api/chat', url), { method: 'POST', agent, headers, signal }, (answer) => {
      let text = '';
      const end = (failure: string | undefined) => resolve({ failure, answer });
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text += chunk;
      });
      answer.once('error', (error) => end(error.message));
      answer.once('end', () => end(wrong(answer.statusCode, text, arrival.answer)));
    });
    sent.once('error', (error) => resolve({ failure: error.message }));
    sent.end(body);
  });
  const header = (name: string) => told.answer?.headers[name]?.toString();
  return {
    ms: performance.now() - sentAt,
    failure: cut?.aborted ? undefined : told.failure,
    ...(cut?.aborted && told.failure !== undefined && { cut: true }),
    server: header('x-ollana-server'),
    reason: header('x-ollana-reason'),
    attempts: Number(header('x-ollana-attempts') ?? 1),
    queueMs: Number(header('x-ollana-queue-ms') ?? 0),
  };
}

/** What is wrong with an answer: the conversations go on with what the GPU is known to say. Pure. */
export function wrong(status: number | undefined, text: string, expected: string): string | undefined {
  if (status !== 200) return `status ${status}: ${text.slice(0, 100)}`;
  try {
    const lines = text.split('\n').filter((line) => line !== '');
    const read = lines.map((line) => JSON.parse(line) as { message?: { content?: string }; done?: boolean });
    if (read.at(-1)?.done !== true) return 'it ended without `done`';
    return read.map((line) => line.message?.content ?? '').join('') === expected ? undefined : 'other words';
  } catch {
    return 'it is no NDJSON';
  }
}

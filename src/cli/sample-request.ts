import http from 'node:http';
import { systemClock } from '../clock.ts';

export interface Sample {
  /** The server that answered, as the response header names it. */
  readonly server: string;
  readonly text: string;
  /** From sending to the first line of the answer, ms. */
  readonly firstMs: number;
  readonly totalMs: number;
  /** As the server counted; undefined when it gave no counters. */
  readonly tokensPerSecond: number | undefined;
}

/** A short answer to a short question is all that is asked for. */
const PREDICT = 48;
const LIMIT_MS = 30_000;
const MAX_BYTES = 1024 * 1024;

/** Sends one streamed chat request to an Ollama-compatible address. Rejects when it is not answered in full. */
export function sampleRequest(url: string, model: string): Promise<Sample> {
  const question = 'Say in one sentence what you are.';
  const body = JSON.stringify({
    model,
    messages: [{ role: 'user', content: question }],
    options: { num_predict: PREDICT },
  });
  const startedAt = systemClock.now();
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}/api/chat`, {
      method: 'POST',
      signal: AbortSignal.timeout(LIMIT_MS),
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let answer = '';
      let firstMs: number | undefined;
      response.setEncoding('utf8');
      response.on('error', reject);
      response.on('data', (chunk: string) => {
        firstMs ??= systemClock.now() - startedAt;
        answer += chunk;
        if (answer.length > MAX_BYTES) request.destroy(new Error('the answer is too long'));
      });
      response.on('end', () => {
        try {
          const totalMs = systemClock.now() - startedAt;
          const server = String(response.headers['x-ollana-server'] ?? 'unknown');
          resolve({ server, firstMs: firstMs ?? totalMs, totalMs, ...readAnswer(answer) });
        } catch (error) {
          reject(error);
        }
      });
    });
    request.end(body);
  });
}

interface Line {
  readonly error?: string;
  readonly message?: { readonly content?: string };
  readonly done?: boolean;
  readonly eval_count?: number;
  readonly eval_duration?: number;
}

function readAnswer(answer: string): Pick<Sample, 'text' | 'tokensPerSecond'> {
  const lines = answer
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  const last = lines.at(-1);
  if (last?.error !== undefined) throw new Error(last.error);
  if (last?.done !== true) throw new Error('the answer broke off');
  const { eval_count: count = 0, eval_duration: duration = 0 } = last;
  return {
    text: lines.map((line) => line.message?.content ?? '').join(''),
    tokensPerSecond: count > 0 && duration > 0 ? count / (duration / 1e9) : undefined,
  };
}

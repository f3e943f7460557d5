import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import type { Clock } from '../clock.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { pathOf } from '../ollama/routes.ts';
import { ERROR_HEADER } from '../proxy/error-answer.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson } from '../proxy/front.ts';
import { type JobBody, jobError, readJob } from './job-wire.ts';
import { answerDetail } from './nodes-paths.ts';
import { readJson } from './small-json.ts';

export interface JobsOptions {
  readonly mode: 'client' | 'server';
  readonly clock: Clock;
  /** Where this machine's apps reach the daemon. */
  readonly url: () => string;
}

/** A prompt is text; a book has a megabyte. Images go to `/api/generate`, which holds them off the loop. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** An error is a line for each server. */
const MAX_ERROR_BYTES = 256 * 1024;

/**
 * `POST /jobs`: a generation asked for in the shape of the hub that others know. It goes through this daemon's own
 * `/api/generate`, so that it is placed, held, tried elsewhere and ended as everything is; what comes back streams
 * through as it comes. `X-Job-Id` names the job.
 */
export class Jobs {
  readonly #options: JobsOptions;
  #open = 0;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Jobs that have not been answered to the end. */
  get open(): number {
    return this.#open;
  }

  /** Answers `/jobs`; returns false for other paths, and in server mode for other machines, who ask Ollama's way. */
  answers(exchange: Exchange): boolean {
    if (pathOf(exchange.target) !== '/jobs') return false;
    if (this.#options.mode === 'server' && !exchange.fromHere) return false;
    if (exchange.method !== 'POST') {
      exchange.extraHeaders.push('Allow', 'POST');
      answerJson(exchange, 405, { detail: 'Method Not Allowed' });
      return true;
    }
    this.#open += 1;
    exchange.response.once('close', () => {
      this.#open -= 1;
    });
    this.#run(exchange).catch((error: unknown) => answerDetail(exchange, error));
    return true;
  }

  async #run(exchange: Exchange): Promise<void> {
    const job = readJob(await readJson(exchange, this.#options.clock, MAX_BODY_BYTES));
    const jobId = randomUUID();
    exchange.extraHeaders.push('X-Job-Id', jobId);
    const answer = await this.#generate(exchange, job);
    const { statusCode: status = 502, headers } = answer;
    if (status >= 400) {
      const code = headers[ERROR_HEADER.toLowerCase()];
      const server = headers['x-ollana-server'];
      if (headers['retry-after'] !== undefined)
        exchange.extraHeaders.push('Retry-After', headers['retry-after']);
      const failed = jobError({
        jobId,
        status,
        code: typeof code === 'string' ? code : undefined,
        server: typeof server === 'string' ? server : undefined,
        text: await textOf(answer),
      });
      exchange.error = `job failed with ${status}`;
      return answerJson(exchange, failed.status, failed.body);
    }
    const { response } = exchange;
    response.writeHead(status, [...exchange.extraHeaders, ...kept(answer)]);
    response.flushHeaders();
    // An answer that breaks off must not look like one that has ended.
    answer.once('error', () => response.destroy());
    answer.pipe(response);
  }

  /** Resolves with the answer's head. A client that leaves ends it, here and at the server. */
  #generate({ request: incoming, response, named }: Exchange, job: JobBody): Promise<IncomingMessage> {
    const body = JSON.stringify(job);
    return new Promise((resolve, reject) => {
      const sent = request(
        `${this.#options.url()}/api/generate`,
        {
          agent: false,
          method: 'POST',
          headers: {
            'Content-Type': 'application/json',
            'Content-Length': Buffer.byteLength(body),
            ...(named !== undefined && { 'X-Ollana-Server': named }),
            ...keyHeaders(incoming),
          },
        },
        resolve,
      );
      sent.on('error', (cause) => {
        const message = `this ollana does not take the job (${reasonOf(cause)}): is it shutting down?`;
        reject(new OllanaError('OLLANA_UPSTREAM_FAILED', message, { cause, status: 503 }));
      });
      if (response.destroyed) sent.destroy();
      response.once('close', () => sent.destroy());
      sent.end(body);
    });
  }
}

/** The key that whoever asks for a job has shown: it is asked for by the same daemon once more. */
function keyHeaders({ headers }: IncomingMessage): OutgoingHttpHeaders {
  const { authorization, 'x-api-key': key } = headers;
  return {
    ...(authorization !== undefined && { authorization }),
    ...(key !== undefined && { 'x-api-key': key }),
  };
}

/** The headers that say something about the answer, as they came, flat. */
function kept({ rawHeaders }: IncomingMessage): string[] {
  return rawHeaders.flatMap((name, at) =>
    at % 2 === 0 && /^(content-(type|length)|x-ollana-.*)$/i.test(name)
      ? [name, rawHeaders[at + 1] ?? '']
      : [],
  );
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    if (text.length > MAX_ERROR_BYTES) break;
  }
  return text;
}

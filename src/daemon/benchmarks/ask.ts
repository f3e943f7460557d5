import { type IncomingMessage, request } from 'node:http';
import type { Clock } from '../../clock.ts';
import { countersOf, type Sample } from '../../observe/benchmark/figures.ts';
import { type BenchmarkPrompt, promptText } from '../../observe/benchmark/prompts.ts';

export interface AskOptions {
  readonly clock: Clock;
  /** Where this machine's apps reach the daemon. */
  readonly url: string;
  /** What this installation's own commands show, where keys are required. */
  readonly key: string | undefined;
  /** Whether the server is reached, as far as is known. */
  readonly isThere: () => boolean;
}

export interface Question {
  readonly deviceId: string;
  readonly model: string;
  readonly prompt: BenchmarkPrompt;
  /** Another one each time: see `promptText`. */
  readonly mark: string;
}

/** What one answer shows; whether its model was in memory, whoever asks knows. */
export type Asked = Omit<Sample, 'cold' | 'shared' | 'kind'> & { readonly queueMs: number };

/** What apps are called in the log, the traces and the sums of usage. */
const APP = 'ollana-benchmark';
/** The last line, with its counters, is some kB; a model may repeat itself in a long one. */
const TAIL_CHARS = 64 * 1024;
/** The longest answer has 256 tokens; who sends more than this does not mean to end. */
const MOST_CHARS = 4 * 1024 * 1024;
/** Longer than the largest model takes to load from a slow disk, ms; nothing else ends a server that only pretends. */
const LIMIT_MS = 30 * 60_000;
/** Apps hold on for a server that may come back; one that is measured has failed when it has been away for so long, ms. */
const AWAY_MS = 5000;
const LOOK_EVERY_MS = 500;

/**
 * Asks a model at a server through the daemon's own face, as an app does, so that it is placed, counted and learned
 * from like any request. Rejects with what went wrong in the server's words, and when `signal` aborts, which closes the
 * connection and with it the request at the server.
 */
export async function ask(options: AskOptions, question: Question, signal: AbortSignal): Promise<Asked> {
  const { clock, isThere } = options;
  const over = new AbortController();
  const end = () => over.abort();
  let why = '';
  const give = (reason: string) => {
    why ||= reason;
    end();
  };
  let thereAt = clock.now();
  const look = () => {
    if (isThere()) thereAt = clock.now();
    else if (clock.now() - thereAt >= AWAY_MS) give('it does not answer any more');
  };
  const cancels = [
    clock.after(LIMIT_MS, () => give(`no end of the answer within ${LIMIT_MS / 60_000} min`)),
    clock.every(LOOK_EVERY_MS, look),
  ];
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  try {
    const startedAt = clock.now();
    const answer = await send(options, question, over.signal);
    return await read(answer, clock, startedAt);
  } catch (error) {
    throw why === '' || signal.aborted ? error : new Error(why, { cause: error });
  } finally {
    for (const cancel of cancels) cancel();
    signal.removeEventListener('abort', end);
  }
}

function send(
  { url, key }: AskOptions,
  { deviceId, model, prompt, mark }: Question,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const body = JSON.stringify({
    model,
    messages: [{ role: 'user', content: promptText(prompt.kind, mark) }],
    stream: true,
    // Nothing among these has a model loaded anew.
    options: { num_predict: prompt.maxTokens, temperature: 0 },
  });
  return new Promise((resolve, reject) => {
    const sent = request(
      `${url}/api/chat`,
      {
        agent: false,
        method: 'POST',
        signal,
        headers: {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
          'X-Ollana-Server': deviceId,
          'X-Ollana-App': APP,
          ...(key !== undefined && { Authorization: `Bearer ${key}` }),
        },
      },
      resolve,
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

async function read(answer: IncomingMessage, clock: Clock, startedAt: number): Promise<Asked> {
  let firstAt: number | undefined;
  let tail = '';
  let chars = 0;
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
    firstAt ??= clock.now();
    tail = (tail + chunk).slice(-TAIL_CHARS);
    chars += chunk.length;
    if (chars > MOST_CHARS) throw new Error('its answer has no end');
  }
  const { statusCode = 0, headers } = answer;
  if (statusCode !== 200) throw new Error(errorIn(tail) ?? `HTTP status ${statusCode}`);
  const counters = countersOf(tail, headers['content-type']);
  const queueMs = Number(headers['x-ollana-queue-ms'] ?? 0) || 0;
  return { firstTokenMs: Math.max(0, (firstAt ?? clock.now()) - startedAt - queueMs), queueMs, counters };
}

function errorIn(text: string): string | undefined {
  try {
    const { error } = (JSON.parse(text) ?? {}) as { error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined; // Not JSON: the status has to do.
  }
}

import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { SimulatedOllama } from '../src/simulate/ollama.ts';
import type { SeenRequest } from '../src/simulate/seen.ts';
import { seeded } from './_chaos-schedule.ts';
import { startCluster } from './_cluster.ts';
import { until, within } from './_deadline.ts';
import { type Samples, scrape } from './_metrics.ts';

const SEED = Number(process.env.CHAOS_SEED ?? 1);
const REQUESTS = 300;
const AT_ONCE = 12;
const WORDS = 60;
const MODEL = 'simulated';

/** What goes wrong at a server, in turn; undefined: nothing. Each is met by one request in three. */
const FAULTS = [
  { kind: 'status', status: 500 },
  { kind: 'cut', afterLines: 5, midLine: true },
  { kind: 'clean-cut', afterLines: 3 },
  { kind: 'error-line', afterLines: 4, message: 'out of memory' },
  { kind: 'slow-first-byte', ms: 30 },
] as const;

/** The answer to this is so long that nobody who leaves with its first word can miss that there is more of it. */
const LONG = 'Tell me everything.';
const LONG_WORDS = 5000;
const PROMPTS = ['Why?', 'Why is the sky blue?', 'Tell me a story. '.repeat(30)];

/** How an answer ended for whoever sent the request. */
type End = 'completed' | 'incomplete' | 'failed' | 'client-left';

/** What a request came to. */
interface Sent {
  readonly end: End;
  readonly prompt: string;
}

/** Sends a request that is answered in lines; the client of a long answer goes away with the first of them. */
function send(url: string, prompt: string): Promise<Sent> {
  const body = JSON.stringify({ model: MODEL, prompt, stream: true });
  return new Promise((resolve) => {
    let text = '';
    const settle = (end: End) => resolve({ end, prompt });
    const sent = httpRequest(`${url}/api/generate`, { method: 'POST', agent: false }, (response) => {
      response.on('data', (bytes: Buffer) => {
        text += bytes.toString();
        if (prompt !== LONG) return;
        settle('client-left');
        sent.destroy();
      });
      response.on('error', () => {});
      response.on('close', () => {
        if (response.statusCode !== 200) return settle('failed');
        settle(response.complete && text.includes('"done":true') ? 'completed' : 'incomplete');
      });
    });
    sent.on('error', () => {});
    sent.end(body);
  });
}

interface Tokens {
  readonly prompt: number;
  readonly output: number;
}

/** What the simulated Ollama says that it read and wrote for a prompt. */
async function tokensOf(ollama: SimulatedOllama, prompt: string): Promise<Tokens> {
  const body = JSON.stringify({ model: MODEL, prompt, stream: false });
  const answer = await (await fetch(`${ollama.url}/api/generate`, { method: 'POST', body })).json();
  const { prompt_eval_count, eval_count } = answer as { prompt_eval_count: number; eval_count: number };
  return { prompt: prompt_eval_count, output: eval_count };
}

const isGenerate = ({ path }: SeenRequest): boolean => path === '/api/generate';
const promptIn = ({ body }: SeenRequest): string => (JSON.parse(String(body)) as { prompt: string }).prompt;

describe('metrics of a fleet in which answers fail, break off and are left', { timeout: 120_000 }, () => {
  it('agree with what the simulated Ollamas and the clients counted themselves', async () => {
    const dice = seeded(SEED);
    const words = (count: number) => Array.from({ length: count }, (_, i) => `word${i}`).join(' ');
    const answer = (prompt: string) => words(prompt.includes(LONG) ? LONG_WORDS : WORDS);
    const ollama = { answer, numParallel: 4, models: [{ name: MODEL, tokensPerSecond: 200 }] };
    await using cluster = await startCluster({
      ollamas: [ollama, ollama, ollama],
      serve: true,
      server: { parallel: 4 },
    });
    const { ollamas, servers } = cluster;
    const tokens = new Map<string, Tokens>();
    for (const prompt of PROMPTS) tokens.set(prompt, await tokensOf(ollamas[0]!, prompt));
    const before = ollamas.map(({ seen }) => seen.length);
    const hurt = ollamas.map(() => new Set<SeenRequest>());
    let round = 0;
    const change = () => {
      for (const [i, { faults }] of ollamas.entries()) {
        const fault = FAULTS[(round + i) % FAULTS.length]!;
        const match = (one: SeenRequest) => {
          if (!isGenerate(one) || promptIn(one) === LONG || dice() > 1 / 3) return false;
          if (fault.kind !== 'slow-first-byte') hurt[i]!.add(one);
          return true;
        };
        faults.set(fault, { match });
      }
      round += 1;
    };

    const sent: Sent[] = [];
    let next = 0;
    const work = async () => {
      while (next < REQUESTS) {
        if (next % 20 === 0) change();
        next += 1;
        const prompt = dice() < 0.15 ? LONG : PROMPTS[Math.floor(dice() * PROMPTS.length)]!;
        sent.push(await send(cluster.url, prompt));
      }
    };
    await within(100_000, 'the last answer', Promise.all(Array.from({ length: AT_ONCE }, work)));

    const seen = ollamas.map(({ seen: all }, i) => all.slice(before[i]).filter(isGenerate));
    const whole = seen.map((all, i) => all.filter((one) => one.answered && !hurt[i]!.has(one)));
    const inference = { route: '/api/generate' };
    const counted = await until(10_000, 'all to be counted', async () => {
      const ours = await scrape(cluster.url);
      const theirs = await Promise.all(servers.map(({ url }) => scrape(url)));
      const attempts = theirs.map((one) => one.sum('ollana_attempts_total', {}));
      const isAll = attempts.every((count, i) => count >= seen[i]!.length);
      return isAll && ours.sum('ollana_requests_total', inference) >= REQUESTS && { ours, theirs };
    });
    const { ours, theirs } = counted;

    // Against the clients' own books.
    const ends = (end: End) => sent.filter((one) => one.end === end).length;
    const outcome = (samples: Samples, name: string, more = {}) =>
      samples.sum('ollana_requests_total', { ...inference, outcome: name, ...more });
    expect(outcome(ours, 'completed')).toBe(ends('completed'));
    expect(outcome(ours, 'client-left')).toBe(ends('client-left'));
    expect(outcome(ours, 'incomplete') + outcome(ours, 'failed')).toBe(ends('incomplete') + ends('failed'));
    expect(ours.sum('ollana_requests_total', inference)).toBe(REQUESTS);
    // Or nothing of all this has happened.
    for (const end of ['completed', 'client-left', 'incomplete'] as const)
      expect(ends(end), end).toBeGreaterThan(10);
    expect(ours.sum('ollana_retries_total', {})).toBeGreaterThan(0);

    // Against the books of each Ollama, at the server before it and at the client.
    for (const [i, one] of theirs.entries()) {
      const name = 'abc'[i]!;
      const sum = (what: keyof Tokens) =>
        whole[i]!.reduce(
          (total, request) => total + (tokens.get(promptIn(request))?.[what] ?? Number.NaN),
          0,
        );
      expect(one.sum('ollana_attempts_total', {}), name).toBe(seen[i]!.length);
      expect(outcome(one, 'completed'), name).toBe(whole[i]!.length);
      expect(one.sum('ollana_output_tokens_total', {}), name).toBe(sum('output'));
      expect(one.sum('ollana_prompt_tokens_total', {}), name).toBe(sum('prompt'));
      const left = seen[i]!.filter(({ abortedAt }) => abortedAt !== undefined).length;
      expect(one.sum('ollana_attempts_total', { end: 'client-left' }), name).toBe(left);
      expect(outcome(ours, 'completed', { server: name }), name).toBe(whole[i]!.length);
      expect(ours.sum('ollana_output_tokens_total', { server: name }), name).toBe(sum('output'));
      expect(ours.sum('ollana_prompt_tokens_total', { server: name }), name).toBe(sum('prompt'));
    }
  });
});

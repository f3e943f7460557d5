import { Agent, createServer, type RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { RemoteDesk } from '../src/server/remote-desk.ts';
import { listenOn } from './_cluster-upstream.ts';
import { within } from './_simulate-client.ts';
import { jobOf } from './_virtual-gpu.ts';

/** What a request hears of the ticket it opened at a server that answers so: until it is granted or refused. */
async function heard(answer: RequestListener): Promise<string[]> {
  await using server = await listenOn(createServer(answer));
  const agent = new Agent();
  const desk = new RemoteDesk({
    clock: systemClock,
    url: server.url,
    agent,
    device: 'd',
    load: () => undefined,
  });
  const words: string[] = [];
  const over = new Promise<void>((resolve) => {
    desk.open(jobOf('x'), {
      onQueued: (aheadMs) => words.push(`ahead ${aheadMs}`),
      onSeat: ({ headers, release }) => {
        words.push(headers.slice(0, 2).join(' '));
        release();
        resolve();
      },
      onLost: () => words.push('lost'),
      onRefused: (reason) => {
        words.push(reason);
        resolve();
      },
      onFailed: () => {
        words.push('failed');
        resolve();
      },
    });
  });
  await within(over, 'the end of the ticket');
  agent.destroy();
  return words;
}

const lines =
  (...chunks: string[]): RequestListener =>
  (_, response) => {
    const next = () => {
      const chunk = chunks.shift();
      if (chunk === undefined) return void response.end();
      response.write(chunk, () => setImmediate(next));
    };
    next();
  };

describe('the answer to a ticket', () => {
  it.each([
    ['a grant at once', ['{"grant":"g"}\n'], ['X-Ollana-Grant g']],
    ['a place first', ['{"aheadMs":250}\n', '{"grant":"g"}\n'], ['ahead 250', 'X-Ollana-Grant g']],
    ['in pieces', ['{"ahead', 'Ms":250}\n{"gr', 'ant":"g"}\n'], ['ahead 250', 'X-Ollana-Grant g']],
    ['a place beyond reason', ['{"aheadMs":1e300}\n{"grant":"g"}\n'], ['ahead 86400000', 'X-Ollana-Grant g']],
    ['a negative place', ['{"aheadMs":-1}\n'], ['failed']],
    ['a place that is no number', ['{"aheadMs":"1"}\n'], ['failed']],
    ['a grant that is none', ['{"grant":{}}\n'], ['failed']],
    ['no JSON', ['<html>\n'], ['failed']],
    ['null', ['null\n'], ['failed']],
    ['far too much', ['x'.repeat(4096)], ['failed']],
    ['places without end', [`${'{"aheadMs":1}\n'.repeat(2000)}`], ['failed']],
    ['an end without a grant', ['{"aheadMs":5}\n'], ['ahead 5', 'failed']],
  ])('is %s', async (_, chunks, words) => {
    expect(await heard(lines(...chunks))).toEqual(words);
  });

  it('is a refusal with its reason', async () => {
    const answer = await heard((_, response) => {
      response.writeHead(503);
      response.end('{"error":"its queue is full"}');
    });
    expect(answer).toEqual(['its queue is full']);
  });

  it.each<[string, RequestListener]>([
    ['a connection that breaks', ({ socket }) => socket.destroy()],
    [
      'a place in an answer that breaks',
      (_, response) => response.write('{"aheadMs":5}\n', () => response.destroy()),
    ],
    [
      'that its Ollama is away',
      (_, response) => {
        response.writeHead(503, { 'X-Ollana-Error': 'OLLANA_NO_SERVER' });
        response.end('{"error":"Ollama is away"}');
      },
    ],
  ])('is a failure of the server, not a refusal: %s', async (_, answer) => {
    expect((await heard(answer)).at(-1)).toBe('failed');
  });
});

import { type Case, cases, type More } from './_conformance-case.ts';

const VERSION = ['GET', '/api/version'] as const;
const show = { model: 'smol' };
const long = (bytes: number): More => ({ headers: [['X-Long', 'v'.repeat(bytes)]] });
const shown = (more: More): More => ({ compare: 'lines', ...more });

/** Requests at the edge of HTTP. */
export const EDGES: readonly Case[] = cases(
  [
    [200, 'HTTP/1.0', ...VERSION, undefined, { version: 'HTTP/1.0' }],
    [
      200,
      'HTTP/1.0, streamed',
      'POST',
      '/api/generate',
      { model: 'smol', prompt: 'Hi', options: { num_predict: 2, temperature: 0 } },
      { version: 'HTTP/1.0', compare: 'timed' },
    ],
    [200, 'a first line with the whole address', 'GET', 'http://127.0.0.1:11434/api/version'],
    [200, 'a first line of 30 kB', 'GET', `/api/version?ts=${'1'.repeat(30_000)}`],
    [
      200,
      'many headers',
      ...VERSION,
      undefined,
      { headers: Array.from({ length: 80 }, (_, i) => [`X-Many-${i}`, 'v'] as const) },
    ],
    [200, 'a header of 30 kB', ...VERSION, undefined, long(30_000)],
    [200, 'a header of 30 kB on its way to a model', 'POST', '/api/show', show, shown(long(30_000))],
    [200, 'a header of 200 kB', 'POST', '/api/show', show, shown(long(200_000))],
    [
      200,
      'a header twice',
      ...VERSION,
      undefined,
      { headers: ['one', 'two'].map((v) => ['X-Twice', v] as const) },
    ],
    [200, 'a body of 300 kB', 'POST', '/api/show', { ...show, system: 'x'.repeat(300_000) }, shown({})],
    [
      400,
      'two lengths',
      'POST',
      '/api/show',
      '{}',
      { headers: ['2', '5'].map((length) => ['Content-Length', length] as const) },
    ],
    [400, 'a length that is no number', 'POST', '/api/show', '{}', { headers: [['Content-Length', 'two']] }],
    [400, 'a header name with a space', ...VERSION, undefined, { headers: [['X Bad', 'v']] }],
    [505, 'a version of HTTP that is none', ...VERSION, undefined, { version: 'HTTP/9.9' }],
  ],
  { compare: 'exact' },
);

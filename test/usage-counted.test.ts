import { describe, expect, it } from 'vitest';
import { startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';
import { ask } from './_simulate-client.ts';

const words = [{ role: 'user', content: 'Why?' }];
/** All that has a model work. */
const USES: readonly (readonly [path: string, body: object])[] = [
  ['/api/generate', { prompt: 'Why?' }],
  ['/api/generate', { prompt: 'Why?', keep_alive: 0 }],
  ['/api/chat', { messages: words }],
  ['/api/embed', { input: 'Why?' }],
  ['/api/embeddings', { prompt: 'Why?' }],
  ['/v1/chat/completions', { messages: words }],
  ['/v1/completions', { prompt: 'Why?' }],
  ['/v1/embeddings', { input: 'Why?' }],
  ['/v1/responses', { input: 'Why?' }],
  ['/v1/messages', { messages: words, max_tokens: 8 }],
];
/** What is done with a model otherwise; the last ones remove it. */
const MANAGED: readonly (readonly [path: string, body: object, method?: string])[] = [
  ['/api/pull', {}],
  ['/api/show', {}],
  ['/api/generate', {}],
  ['/api/generate', { prompt: '', keep_alive: -1 }],
  ['/api/chat', { messages: [] }],
  ['/api/embed', { input: [] }],
  ['/api/generate', { prompt: '', keep_alive: 0 }],
  ['/api/chat', { keep_alive: '0s' }],
  ['/api/copy', { source: 'managed', destination: 'copied' }],
  ['/api/create', { from: 'managed' }],
  ['/api/delete', {}, 'DELETE'],
];

interface Row {
  readonly key: string;
  readonly requests: number;
}

describe.each([{ serve: false }, { serve: true }])('the usage of a model (serve: $serve)', ({ serve }) => {
  it('is what it worked for, not what it was loaded, unloaded, pulled and deleted for', async () => {
    await using cluster = await startCluster({
      serve,
      ollamas: [{ models: [{ name: 'used' }, { name: 'managed' }] }],
      client: { traces: true },
      server: { traces: true, allow: new Set(['manage']) } as never,
    });
    const send = async (
      app: string,
      model: string,
      [path, body, method = 'POST']: (typeof MANAGED)[number],
    ) => {
      const answer = await ask(
        cluster,
        path,
        { model, stream: false, ...body },
        { method, headers: { 'X-Ollana-App': app } },
      );
      expect([path, body, answer.status]).toEqual([path, body, 200]);
    };
    for (const one of USES) await send('notes', 'used', one);
    for (const one of MANAGED) await send('keeper', 'managed', one);
    const faces = serve ? [cluster, cluster.servers[0]!] : [cluster];
    for (const { url } of faces) {
      const get = async (path: string) => (await fetch(url + path)).json();
      // All are kept, to be looked up.
      await until(5000, 'all to be kept', async () => {
        const { traces } = (await get('/dashboard/api/traces?search=delete')) as { traces: unknown[] };
        return traces.length === 1;
      });
      for (const [by, key] of [
        ['model', 'used'],
        ['app', 'notes'],
        ['hour', undefined],
      ] as const) {
        const { rows } = (await get(`/dashboard/api/usage?by=${by}`)) as { rows: Row[] };
        const sum = rows.reduce((total, { requests }) => total + requests, 0);
        expect([by, sum]).toEqual([by, USES.length]);
        if (key !== undefined) expect(rows.map((row) => row.key)).toEqual([key]);
      }
      const { uses } = (await get('/dashboard/api/last-uses')) as { uses: { model: string }[] };
      expect(uses.map(({ model }) => model)).toEqual(['used']);
    }
  });
});

import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { errorLines } from '../src/cli/tell-holders.ts';
import { answerFor, endLines } from '../src/proxy/broadcast.ts';
import { type Cluster, startBefore, startCluster, TOPOLOGIES } from './_cluster.ts';
import { fasterClock } from './_cluster-config.ts';
import { startUpstream } from './_cluster-upstream.ts';
import { ask, send, until, within } from './_simulate-client.ts';

const HOLDER = { models: [{ name: 'm' }] };
const THREE = { ollamas: [HOLDER, HOLDER, HOLDER], loaded: ['m', 'm', 'm'] };
/** Ten times as fast: the limit of 20 s is 2 s here. */
const FACTOR = 10;

const TOLD = [
  {
    what: 'delete',
    method: 'DELETE',
    path: '/api/delete',
    body: { model: 'm' },
    done: ({ ollamas }: Cluster, i: number) => ollamas[i]?.models.list().length === 0,
  },
  {
    what: 'unload',
    method: 'POST',
    path: '/api/generate',
    body: { model: 'm', keep_alive: 0 },
    done: ({ ollamas }: Cluster, i: number) => ollamas[i]?.models.loaded().length === 0,
  },
];
const CASES = TOLD.flatMap((told) =>
  TOPOLOGIES.map((topology) => ({ ...told, ...topology, route: told.path })),
);

describe('what goes to every holder', () => {
  it.each(CASES)(
    'is done at once by all but one that hangs, and the answer names them ($what, serve: $serve)',
    async ({ method, route, body, done, serve }) => {
      await using cluster = await startCluster({ ...THREE, serve, clock: fasterClock(FACTOR) });
      cluster.ollamas[1]?.faults.set({ kind: 'hang-all' });
      const sent = send(cluster, route, body, { method });
      let answered = false;
      void sent.answer.then(() => {
        answered = true;
      });
      await until(() => done(cluster, 0) && done(cluster, 2), 'the others to have done it');
      expect(answered).toBe(false);
      const answer = await within(sent.answer, 'the client to be told');
      expect(answer.status).toBe(502);
      const { error, servers } = JSON.parse(answer.text);
      expect(error).toMatch(/^done on a, c, but not everywhere; b: ./);
      expect(servers).toEqual([
        { name: 'a', status: 200 },
        expect.objectContaining({ name: 'b', error: expect.stringMatching(/./) }),
        { name: 'c', status: 200 },
      ]);
      expect(error).toContain(servers[1].error);
      expect(errorLines(error, servers)).toEqual([
        'done on a, c, but not everywhere',
        `b: ${servers[1].error}`,
      ]);
      expect(done(cluster, 1)).toBe(false);
    },
  );

  it.each(TOLD)(
    'carries the client’s headers and asks for a readable answer ($what)',
    async ({ method, path, body }) => {
      await using cluster = await startCluster(THREE);
      const headers = { authorization: 'Bearer secret', via: '1.1 before', 'accept-encoding': 'gzip' };
      expect((await ask(cluster, path, body, { method, headers })).status).toBe(200);
      for (const ollama of cluster.ollamas) {
        const seen = await ollama.onceSeen((request) => request.path === path);
        expect(seen.headers).toMatchObject({
          host: new URL(ollama.url).host,
          authorization: 'Bearer secret',
          via: expect.stringMatching(/^1\.1 before, 1\.1 ollana-client-/),
          'content-length': String(JSON.stringify(body).length),
        });
        expect(seen.headers['accept-encoding']).toBeUndefined();
      }
    },
  );

  it('arrives compressed as it came', async () => {
    const got: unknown[] = [];
    const start = () =>
      startUpstream((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          const plain = gunzipSync(Buffer.concat(chunks)).toString();
          got.push([request.method, request.headers['content-encoding'], JSON.parse(plain)]);
          response.writeHead(200).end();
        });
      });
    await using a = await start();
    await using b = await start();
    await using before = await startBefore([`${a.url}=a`, `${b.url}=b`]);
    const answer = await ask(before, '/api/delete', gzipSync('{"model":"m"}'), {
      method: 'DELETE',
      headers: { 'content-encoding': 'gzip' },
    });
    expect(answer).toMatchObject({ status: 200, text: '' });
    expect(answer.headers['x-ollana-server']).toBe('a, b');
    const one = ['DELETE', 'gzip', { model: 'm' }];
    expect(got).toEqual([one, one]);
  });
});

describe('one answer for several', () => {
  const said = (name: string, status: number, text = '') => ({
    name,
    answer: { status, headers: {}, contentType: 'application/json', body: Buffer.from(text) },
  });
  const gone = (name: string) => ({ name, error: 'gone' });

  it.each([
    { what: 'all did it', replies: [said('a', 200, '1'), said('b', 200, '2')], is: [200, '1'] },
    { what: 'one had nothing to do', replies: [said('a', 404, '1'), said('b', 200, '2')], is: [200, '2'] },
    { what: 'none had anything to do', replies: [said('a', 404, '1'), said('b', 404, '2')], is: [404, '1'] },
    { what: 'all say the same', replies: [said('a', 403, '1'), said('b', 403, '1')], is: [403, '1'] },
  ])('is one of theirs when $what', ({ replies, is }) => {
    const { status, body } = answerFor(replies);
    expect([status, body.toString()]).toEqual(is);
  });

  it.each([
    { replies: [said('a', 200), gone('b')], is: 'done on a, but not everywhere; b: gone' },
    { replies: [said('a', 404), gone('b')], is: 'done on a, but not everywhere; b: gone' },
    { replies: [gone('a'), gone('b')], is: 'no server did it; a: gone; b: gone' },
    {
      replies: [said('a', 403, '{"error":"not  yours"}'), said('b', 500, '{"error":""}')],
      is: 'no server did it; a: not yours; b: it answered 500',
    },
  ])('is an error where they differ: $is', ({ replies, is }) => {
    expect(() => answerFor(replies)).toThrow(
      expect.objectContaining({ code: 'OLLANA_UPSTREAM_FAILED', message: is, status: 502 }),
    );
  });

  it('has no more of a server’s words than people read', () => {
    const replies = [said('a', 200), said('b', 500, JSON.stringify({ error: 'x'.repeat(1e6) }))];
    expect(() => answerFor(replies)).toThrow(/^.{500,600}$/);
  });
});

describe('the lines that the command line prints of it', () => {
  const ends = [
    { name: 'a', status: 200 },
    { name: 'b; x: y', error: 'no; never: ever' },
    { name: 'c', status: 404 },
  ];

  it('are one for those who did it and one for each who did not', () => {
    const lines = ['done on a, c, but not everywhere', 'b; x: y: no; never: ever'];
    expect(endLines(ends)).toEqual(lines);
    expect(errorLines('e', ends)).toEqual(lines);
  });

  it.each([
    undefined,
    null,
    'x',
    {},
    [],
    [null, 1, {}, { name: 1 }, { name: 'a', error: 1 }],
    [{ name: 'a' }],
  ])('are the error alone with servers %j', (servers) =>
    expect(errorLines('a; b: c', servers)).toEqual(['a; b: c']),
  );
});

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startCluster, TOPOLOGIES } from './_cluster.ts';
import { until } from './_deadline.ts';
import { ask, chat } from './_simulate-client.ts';
import { block, frame, REAL_ZSTD, zstdStored } from './_zstd.ts';

const WHOLE = zstdStored(Buffer.from(JSON.stringify(chat('only-b', 'hello'))));
const NOISE = createHash('sha512').update('noise').digest();
const flipped = Buffer.from(REAL_ZSTD);
flipped.writeUInt8(flipped.readUInt8(flipped.length - 1) ^ 0xff, flipped.length - 1);

const BROKEN = [
  { what: 'nothing', body: Buffer.alloc(0) },
  { what: 'bytes that are no frame', body: NOISE },
  { what: 'a magic number alone', body: WHOLE.subarray(0, 4) },
  { what: 'half a frame header', body: WHOLE.subarray(0, 5) },
  { what: 'a frame without blocks', body: WHOLE.subarray(0, 6) },
  { what: 'a block that is cut', body: WHOLE.subarray(0, -5) },
  { what: 'a frame without its last block', body: frame([block(0, Buffer.from('{'), false)]) },
  { what: 'a block of the reserved type', body: frame([block(3, Buffer.from('x'), true)]) },
  { what: 'noise for a compressed block', body: frame([block(2, NOISE, true)]) },
  { what: 'half of a compressed frame', body: REAL_ZSTD.subarray(0, REAL_ZSTD.length >> 1) },
  { what: 'a wrong checksum', body: flipped },
  { what: 'noise after a whole frame', body: Buffer.concat([WHOLE, NOISE]) },
];
const PATHS = ['/v1/chat/completions', '/v1/responses', '/api/chat'];
const headers = { 'content-type': 'application/json', 'content-encoding': 'zstd' };

describe.each(TOPOLOGIES)('a zstd body that is broken ($path)', ({ serve }) => {
  const start = () =>
    startCluster({ serve, ollamas: [{ models: [{ name: 'a' }] }, { models: [{ name: 'only-b' }] }] });

  it.each(BROKEN)('gets Ollama’s own error and arrives as it is: $what', async ({ body }) => {
    await using cluster = await start();
    for (const path of PATHS) {
      const wanted = await ask(cluster.ollamas[0]!, path, body, { headers });
      const answer = await ask(cluster, path, body, { headers });
      expect(wanted.status).toBe(400);
      expect(answer).toMatchObject({ status: 400, text: wanted.text, complete: true });
      expect(answer.headers['content-type']).toBe(wanted.headers['content-type']);
      const seen = cluster.ollamas.flatMap((one) => one.seen.filter((request) => request.path === path));
      expect(new Set(seen.map(({ bodySha256 }) => bodySha256)).size).toBe(1);
    }
  });

  it('many at once keep nobody from being looked into', async () => {
    await using cluster = await start();
    const many = [...BROKEN, ...BROKEN, ...BROKEN];
    const answers = await Promise.all(many.map(({ body }) => ask(cluster, '/api/chat', body, { headers })));
    expect(answers.map(({ status }) => status)).toEqual(many.map(() => 400));
    for (const daemon of [cluster.client, ...cluster.servers])
      await until(2000, 'nothing in flight', () => daemon.status().inFlight === 0);
    const whole = await ask(cluster, '/api/chat', WHOLE, { headers });
    expect(whole.headers['x-ollana-server']).toBe('b');
  });
});

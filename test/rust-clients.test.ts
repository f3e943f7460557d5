import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startCluster } from './_cluster.ts';
import { RustClient } from './_rust-client.ts';
import { ask, chat } from './_simulate-client.ts';

const LONG = 'word '.repeat(60_000);

async function start() {
  const cluster = await startCluster({ serve: true, ollamas: [{ answer: 'one two three' }] });
  const server = cluster.servers[0]!;
  const { deviceId } = server.status();
  return { cluster, port: Number(new URL(server.url).port), deviceId, url: server.url };
}

describe.each([1, 2, 3] as const)('a client of the Rust ollana, generation %i', (generation) => {
  it('sees that the server is there, and uses it', async () => {
    const { cluster, port } = await start();
    await using _ = cluster;
    using client = new RustClient(generation, port);
    const version = await client.get('/api/version');
    expect(version.status).toBe(200);
    expect(JSON.parse(version.body)).toMatchObject({ version: '0.17.4' });
    const tags = await client.get('/api/tags');
    expect(JSON.parse(tags.body).models).toHaveLength(1);
    const answer = await client.post('/api/chat', chat('simulated', 'hi'));
    expect(answer.body.trim().split('\n').at(-1)).toContain('"done":true');
    const missing = await client.post('/api/chat', chat('nobody-has-this', 'hi'));
    expect(missing.status).toBe(404);
    expect(JSON.parse(missing.body).error).toContain('nobody-has-this');
  });

  it('sends a body of 300 kB without a type, which arrives as it is', async () => {
    const { cluster, port } = await start();
    await using _ = cluster;
    using client = new RustClient(generation, port);
    const body = chat('simulated', LONG);
    expect((await client.post('/api/chat', body)).status).toBe(200);
    const seen = await cluster.ollamas[0]!.onceSeen(({ path }) => path === '/api/chat');
    expect(seen.bodySha256).toBe(createHash('sha256').update(JSON.stringify(body)).digest('hex'));
  });

  it('has nobody told who it is', async () => {
    const { cluster, port } = await start();
    await using _ = cluster;
    using client = new RustClient(generation, port);
    await client.post('/api/chat', chat('simulated', 'hi'));
    const seen = await cluster.ollamas[0]!.onceSeen(({ path }) => path === '/api/chat');
    expect(Object.keys(seen.headers)).not.toContain('x-ollana-device-id');
  });
});

describe('a client of the Rust ollana 0.5 or 0.6 that finds the server', () => {
  it('uses it when its user allows the id that the server shows', async () => {
    const { cluster, port, deviceId } = await start();
    await using _ = cluster;
    using client = new RustClient(3, port);
    expect(await client.meet([deviceId])).toBe('adds');
  });

  it('leaves it alone, and does not exit, when its user has not', async () => {
    const { cluster, port } = await start();
    await using _ = cluster;
    using client = new RustClient(3, port);
    expect(await client.meet([])).toBe('skips');
  });

  it('does not exit while the Ollama is away', async () => {
    const { cluster, port, deviceId } = await start();
    await using _ = cluster;
    await cluster.ollamas[0]!.stop();
    using client = new RustClient(3, port);
    expect(await client.meet([deviceId])).toBe('skips');
  });

  it('is turned away by client mode, which is no server', async () => {
    const { cluster } = await start();
    await using _ = cluster;
    const answer = await ask(cluster, '/ollana/api/authorize', '', { method: 'POST' });
    expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([
      401,
      'Device is not authorized',
      'text/plain; charset=utf-8',
    ]);
  });
});

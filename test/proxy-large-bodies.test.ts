import { createHash } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { cleanEnvironment, startDaemon } from './_daemon.ts';
import { next, until } from './_deadline.ts';
import { noMemory, watchMemory } from './_memory.ts';
import { TestProcess } from './_process.ts';
import { ask, chat } from './_simulate-client.ts';
import { skipBecause } from './_skip.ts';

const MIB = 1 << 20;
/** What each daemon may grow by. */
const GROWTH = 100 * MIB;
const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

/** Both modes as processes of their own, so that their memory is theirs alone. */
async function startHops() {
  const ollama = await startSimulatedOllama();
  // Without the thread that keeps traces: it starts after the first request, and its memory is no body's.
  const quiet = ['--no-udp', '--no-mdns', '--no-traces', '--log-level', 'error'];
  const common = ['--host', '127.0.0.1', '--port', '0', ...quiet];
  const start = (args: readonly string[]) =>
    startDaemon({
      args: [...args, ...common],
      startMs: 20_000,
      launch: (command, [_built, ...rest], env) =>
        new TestProcess(command, ['--import', 'tsx', CLI, ...rest], { env: cleanEnvironment(env) }),
    });
  const server = await start(['serve', '--ollama', ollama.url]);
  const client = await start(['--server', server.url, '--no-local-fallback']);
  await until(10_000, 'the client to know its server', async () =>
    (await ask(client, '/api/tags')).text.includes('simulated'),
  );
  return {
    ollama,
    client,
    pids: [server.process.pid, client.process.pid],
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await ollama[Symbol.asyncDispose]();
    },
  };
}

describe('large bodies over two hops', () => {
  skipBecause(noMemory);

  it('an image of 20 MB arrives as it was sent, and costs no daemon 100 MB', {
    timeout: 60_000,
  }, async () => {
    await using hops = await startHops();
    await ask(hops.client, '/api/chat', chat('simulated', 'warm up'));
    const image = Buffer.alloc(15 * MIB, 'an image of noise ').toString('base64');
    const body = JSON.stringify({
      messages: [{ role: 'user', content: 'what is this?', images: [image] }],
      model: 'simulated',
    });
    expect(body.length).toBeGreaterThanOrEqual(20 * MIB);
    const grown = watchMemory(hops.pids);
    const answer = await ask(hops.client, '/api/chat', body);
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(answer.text).toContain('"done":true');
    const sha256 = createHash('sha256').update(body).digest('hex');
    expect(hops.ollama.seen.filter(({ path }) => path === '/api/chat').at(-1)).toMatchObject({
      bodySha256: sha256,
    });
    for (const bytes of grown()) expect(bytes).toBeLessThan(GROWTH);
  });

  it('a blob of 1 GB in chunks arrives as it was sent, and costs no daemon 100 MB', {
    timeout: 180_000,
  }, async () => {
    await using hops = await startHops();
    await ask(hops.client, '/api/chat', chat('simulated', 'warm up'));
    const blocks = 1024;
    const block = Buffer.alloc(MIB, 'a blob ');
    const hash = createHash('sha256');
    for (let i = 0; i < blocks; i += 1) hash.update(block);
    const path = `/api/blobs/sha256:${hash.digest('hex')}`;
    const grown = watchMemory(hops.pids);
    const upload = request(`${hops.client.url}${path}`, { method: 'POST', agent: false });
    const answered = next<IncomingMessage>(upload, 'response', 170_000);
    await pipeline(Readable.from(Array.from({ length: blocks }, () => block)), upload);
    const response = await answered;
    response.resume();
    expect(response.statusCode).toBe(201);
    const seen = hops.ollama.seen.find((one) => one.path === path);
    expect(seen).toMatchObject({ bodyBytes: blocks * MIB });
    expect(seen?.headers['content-length']).toBeUndefined();
    for (const bytes of grown()) expect(bytes).toBeLessThan(GROWTH);
  });

  it('of several at once, each is kept only while there is room, and all arrive', {
    timeout: 120_000,
  }, async () => {
    await using hops = await startHops();
    const body = JSON.stringify(chat('simulated', 'x'.repeat(20 * MIB)));
    const sha256 = createHash('sha256').update(body).digest('hex');
    const answers = await Promise.all(Array.from({ length: 4 }, () => ask(hops.client, '/api/chat', body)));
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200]);
    const seen = hops.ollama.seen.filter(({ path }) => path === '/api/chat');
    expect(seen.map(({ bodySha256 }) => bodySha256)).toEqual(Array.from({ length: 4 }, () => sha256));
  });
});

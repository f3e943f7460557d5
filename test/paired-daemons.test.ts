import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { fetchSmall } from '../src/ollama/client.ts';
import { loadIdentity, passingIdentity } from '../src/security/identity.ts';
import { until } from './_deadline.ts';
import {
  agentAs,
  allow,
  disable,
  errorIn,
  noOutside,
  OUTSIDE,
  startInterloper,
  startTwo,
  untilUsed,
} from './_paired.ts';
import { ask, chat, linesOf, send } from './_simulate-client.ts';
import { skipBecause } from './_skip.ts';

/** A prompt that is found wherever it went. */
const SECRET = 'the-secret-of-the-prompt';
/** An answer that takes half a minute. */
const SLOW = { answer: 'word '.repeat(600).trim(), models: [{ name: 'm', tokensPerSecond: 20, loadMs: 0 }] };
const LIMITS = { clock: systemClock, connectTimeoutMs: 2000, timeoutMs: 5000 };

skipBecause(noOutside);

describe('two paired devices', () => {
  it('speak TLS to each other: requests, watch, tickets and probes', async () => {
    await using two = await startTwo();
    await two.pair();
    const server = await two.serve({}, { models: [{ name: 'm' }], answer: 'one two three' });
    const client = await two.client([`${server.outside}=gpu`]);
    await untilUsed(client);
    const [seen] = client.status().servers;
    expect(seen).toMatchObject({ deviceId: two.serverId, name: 'gpu', kind: 'ollana', verdict: 'reliable' });
    expect(client.status().pairing).toBe('required');
    for (let i = 0; i < 3; i += 1) {
      const answer = await ask(client, '/api/chat', chat('m', SECRET));
      expect(answer).toMatchObject({ status: 200, complete: true });
      expect(answer.headers['x-ollana-server']).toBe('gpu');
      expect(linesOf(answer.text).at(-1)).toMatchObject({ done: true });
    }
    expect((await ask(client, '/api/tags')).text).toContain('"m:latest"');
  });

  it('queue with tickets when the server is busy', async () => {
    await using two = await startTwo();
    await two.pair();
    const server = await two.serve({ parallel: 1 }, { models: [{ name: 'm' }], answer: 'one two three' });
    const client = await two.client([`${server.outside}=gpu`]);
    await untilUsed(client);
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => ask(client, '/api/chat', chat('m', 'x'))),
    );
    expect(answers.map(({ status, complete }) => [status, complete])).toEqual(Array(6).fill([200, true]));
  });

  it('have models pulled, by whoever has the right to', async () => {
    await using two = await startTwo();
    await two.pair(true);
    const server = await two.serve({}, { models: [{ name: 'm' }] });
    const client = await two.client([`${server.outside}=gpu`], { autoPull: true });
    await untilUsed(client);
    const answer = await ask(client, '/api/chat', chat('new', 'x'));
    expect([answer.status, answer.headers['x-ollana-pulled']]).toEqual([200, 'gpu']);
  });

  it('register by TLS, too, and a stranger cannot', async () => {
    await using two = await startTwo();
    await two.pair();
    const client = await two.client([], { host: '0.0.0.0', acceptRegistrations: true });
    const at = `http://${OUTSIDE}:${new URL(client.url).port}`;
    const stranger = await ask({ url: at }, '/nodes/heartbeat', { node_id: 'x', port: 1 });
    expect([stranger.status, stranger.headers['x-ollana-error']]).toEqual([403, 'OLLANA_NOT_PAIRED']);
    await two.serve({ register: [at] });
    await untilUsed(client);
    expect(client.status().servers).toMatchObject([{ deviceId: two.serverId, sources: ['heartbeat'] }]);
  });

  it('a stranger is told what to type, in the shape of its protocol, and gets nothing', async () => {
    await using two = await startTwo();
    await two.pair();
    const server = await two.serve();
    for (const [path, body] of [
      ['/', undefined],
      ['/api/tags', undefined],
      ['/api/version', undefined],
      ['/api/chat', chat('simulated', SECRET)],
      ['/ollana/api/hello', undefined],
      ['/ollana/api/watch', undefined],
      ['/ollana/api/tickets', { model: 'simulated' }],
    ] as const) {
      const answer = await ask({ url: server.outside }, path, body);
      expect([path, answer.status, answer.headers['x-ollana-error']]).toEqual([
        path,
        403,
        'OLLANA_NOT_PAIRED',
      ]);
      expect(errorIn(answer)).toMatch(/paired devices only: type `ollana device pair`/);
    }
    const openai = await ask({ url: server.outside }, '/v1/chat/completions', chat('simulated', SECRET));
    expect(JSON.parse(openai.text)).toMatchObject({
      error: { message: expect.stringContaining('device pair') },
    });
    expect(await ask({ url: server.outside }, '/ollana/api/authorize', '')).toMatchObject({ status: 401 });
    expect(server.ollama.seen.filter(({ path }) => path === '/api/chat')).toEqual([]);
    // This machine's own apps are as welcome as ever.
    expect(await ask(server, '/api/chat', chat('simulated', 'x'))).toMatchObject({ status: 200 });
  });

  it('only a device with the right may change what is stored', async () => {
    await using two = await startTwo();
    await two.pair();
    const server = await two.serve();
    const agent = agentAs(loadIdentity(two.clientDir));
    const remove = () =>
      fetchSmall(`${server.outside}/api/delete`, {
        ...LIMITS,
        agent,
        method: 'DELETE',
        body: Buffer.from(JSON.stringify({ model: 'none' })),
      });
    const refused = await remove();
    expect([refused.status, refused.body.toString()]).toEqual([403, expect.stringContaining('--manage')]);
    await allow(two.serverDir, two.clientId, 'laptop', true);
    await until(1000, 'the right to count', async () => (await remove()).status === 404);
  });
});

describe('a server that is not paired', () => {
  it('is shown with the command to type, and used as soon as it is', async () => {
    await using two = await startTwo();
    const server = await two.serve({ requirePairing: true });
    const client = await two.client([`${server.outside}=gpu`], { holdMs: 0 });
    const shown = await until(5000, 'the server to be shown', () =>
      client.status().servers.find(({ notPaired }) => notPaired),
    );
    expect(shown).toMatchObject({
      name: 'gpu',
      reason: `found, not paired: type \`ollana device pair ${server.outside}\``,
    });
    expect(client.status().pairing).toBe('open');
    expect(await ask(client, '/api/chat', chat('simulated', SECRET))).toMatchObject({ status: 503 });
    await two.pair();
    await untilUsed(client);
    expect(await ask(client, '/api/chat', chat('simulated', 'x'))).toMatchObject({ status: 200 });
  });

  it('gets no byte of a prompt, whatever it answers, and none where it speaks plain HTTP only', async () => {
    await using two = await startTwo();
    await two.pair();
    const server = await two.serve();
    const port = Number(new URL(server.url).port);
    await using between = await startInterloper(passingIdentity(), OUTSIDE ?? '', port);
    const client = await two.client([`${between.url}=gpu`, `${server.ollama.url}=plain`], { holdMs: 300 });
    await until(
      5000,
      'both to be shown',
      () => client.status().servers.filter(({ notPaired }) => notPaired).length === 2,
    );
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => ask(client, '/api/chat', chat('simulated', SECRET))),
    );
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503]);
    expect(errorIn(answers[0]!)).toContain('ollana device pair');
    expect(between.met()).toBeGreaterThan(0);
    expect(between.heard()).toBe('');
    expect(server.ollama.seen.filter(({ method }) => method === 'POST')).toEqual([]);
  });

  it('that comes to the address of a paired one gets no byte', async () => {
    await using two = await startTwo();
    await two.pair();
    const server = await two.serve();
    const port = Number(new URL(server.url).port);
    const before = await startInterloper(loadIdentity(two.serverDir), OUTSIDE ?? '', port);
    // With the server's own key it is the server, as far as anybody can tell.
    await allow(two.serverDir, two.serverId);
    const client = await two.client([`${before.url}=gpu`], { holdMs: 300 });
    await untilUsed(client);
    await before[Symbol.asyncDispose]();
    await using after = await startInterloper(passingIdentity(), OUTSIDE ?? '', port, before.port);
    await until(5000, 'the new one to be met', () => after.met() > 0);
    expect((await ask(client, '/api/chat', chat('simulated', SECRET))).status).toBe(503);
    expect(after.heard()).toBe('');
  });
});

describe('a device that is shut out', () => {
  it.each(['server', 'client'] as const)('by the %s has its streams cut within a second', async (who) => {
    await using two = await startTwo();
    await two.pair();
    const server = await two.serve({}, SLOW);
    const client = await two.client([`${server.outside}=gpu`], { holdMs: 300 });
    await untilUsed(client);
    const sent = send(client, '/api/chat', chat('m', 'x'));
    await sent.started;
    const begun = performance.now();
    if (who === 'server') await disable(two.serverDir, two.clientId);
    else await disable(two.clientDir, two.serverId);
    const answer = await sent.answer;
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(answer).toMatchObject({ status: 200, complete: false });
    const last = linesOf(answer.text).at(-1) as { error?: string };
    expect(last.error).toMatch(/gpu/);
    await until(1000, 'Ollama to be told', () =>
      server.ollama.seen.some(({ path, abortedAt }) => path === '/api/chat' && abortedAt !== undefined),
    );
    expect((await ask(client, '/api/chat', chat('m', 'x'))).status).toBe(503);
  });

  it('is refused with its old certificate, and so is a stolen one', async () => {
    await using two = await startTwo();
    await two.pair();
    const server = await two.serve();
    const thief = agentAs(loadIdentity(two.clientDir));
    const look = (agent = thief) => fetchSmall(`${server.outside}/api/tags`, { ...LIMITS, agent });
    expect((await look()).status).toBe(200);
    await disable(two.serverDir, two.clientId);
    await until(1000, 'the thief to be refused', async () => (await look()).status === 403);
    // The list is empty now, and the door stays shut.
    expect((await look(agentAs(passingIdentity()))).status).toBe(403);
    expect((await ask({ url: server.outside }, '/api/tags')).status).toBe(403);
  });

  it('the first device that is allowed shuts out those that were there before, within a second', async () => {
    await using two = await startTwo();
    const server = await two.serve({}, SLOW);
    const sent = send({ url: server.outside }, '/api/chat', chat('m', 'x'));
    await sent.started;
    const begun = performance.now();
    await allow(two.serverDir, two.clientId);
    expect(await sent.answer).toMatchObject({ complete: false });
    expect(performance.now() - begun).toBeLessThan(1000);
  });
});

describe('a laptop that uses servers in the clear', () => {
  it('stops doing so within a second of its first paired device, whatever runs there', async () => {
    await using two = await startTwo();
    const server = await two.serve({}, SLOW);
    const client = await two.client([`${server.outside}=gpu`], { holdMs: 300 });
    await untilUsed(client);
    expect(client.status()).toMatchObject({ pairing: 'open' });
    const sent = send(client, '/api/chat', chat('m', 'x'));
    await sent.started;
    const begun = performance.now();
    await allow(two.clientDir, 'f'.repeat(64));
    expect(await sent.answer).toMatchObject({ complete: false });
    expect(performance.now() - begun).toBeLessThan(1000);
    await until(2000, 'it to be shown', () => client.status().servers[0]?.notPaired);
    expect((await ask(client, '/api/chat', chat('m', SECRET))).status).toBe(503);
  });

  it('goes on where the user says that nobody need be paired', async () => {
    await using two = await startTwo();
    await allow(two.clientDir, 'f'.repeat(64));
    const server = await two.serve({ requirePairing: false });
    await allow(two.serverDir, 'f'.repeat(64));
    const client = await two.client([`${server.outside}=gpu`], { requirePairing: false });
    await untilUsed(client);
    expect(await ask(client, '/api/chat', chat('simulated', 'x'))).toMatchObject({ status: 200 });
    expect([client.status().pairing, server.status().pairing]).toEqual(['open', 'open']);
  });
});

describe('a list of paired devices that cannot be read', () => {
  it('lets nobody in but programs of this machine', async () => {
    await using two = await startTwo();
    writeFileSync(`${two.serverDir}/devices.json`, '{"devices": [{"id":');
    const server = await two.serve();
    expect((await ask({ url: server.outside }, '/api/tags')).status).toBe(403);
    expect((await ask(server, '/api/tags')).status).toBe(200);
  });
});

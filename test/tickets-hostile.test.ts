import { request as httpRequest } from 'node:http';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../src/clock.ts';
import { TICKETS_PATH } from '../src/server/ticket-wire.ts';
import { startCluster } from './_cluster.ts';
import { cleanEnvironment, startDaemon } from './_daemon.ts';
import { until } from './_deadline.ts';
import { type HandTicket, openGranted, openTicket, startGate, watchLoad } from './_door.ts';
import { TestProcess } from './_process.ts';
import { ask, chat, send, within } from './_simulate-client.ts';

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

const start = (clock: Clock = systemClock) =>
  startCluster({
    serve: true,
    ollamas: [{ models: [{ name: 'm', tokensPerSecond: 200 }], clock }],
    loaded: ['m'],
    server: { parallel: 1 },
  });

describe('a full queue', () => {
  it('is told of with the time to try again, and others are let in', async () => {
    await using cluster = await start();
    const url = cluster.servers[0]?.url ?? '';
    using watched = await watchLoad(url);
    const { deviceId } = JSON.parse((await ask(cluster, '/ollana/api/hello')).text) as { deviceId: string };
    const held = await openGranted(url, 'x');
    const tickets = Array.from({ length: 256 }, () => openTicket(url, deviceId));
    await watched.queued(256);
    const refused = await within(openTicket(url, deviceId).answer, 'the refusal');
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '2']);
    expect(refused.headers['x-ollana-error']).toBe('OLLANA_QUEUE_FULL');
    expect(JSON.parse(refused.text).error).toContain('queue is full');
    // Of an app behind that device; nothing else is known of its place than what the server says.
    const app = await ask(cluster, '/api/chat', chat('m', 'q'));
    expect([app.status, app.headers['retry-after']]).toEqual([503, '2']);
    expect(app.headers['x-ollana-error']).toBe('OLLANA_QUEUE_FULL');
    expect(JSON.parse(app.text).error).toContain('queue is full');
    const other = openTicket(url, 'y');
    await watched.queued(257);
    for (const ticket of [held, ...tickets]) ticket.close();
    await until(5000, 'the other to be served', () => other.grant() !== undefined);
    other.close();
    await watched.idle();
    expect((await ask(cluster, '/api/chat', chat('m', 'q'))).status).toBe(200);
  });
});

describe('a ticket that is none', () => {
  it.each<[string, string]>([
    ['rubbish', '\u0000\u0001{]'],
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['no model', '{"promptTokens":1}'],
    ['a model that is no name', '{"model":{"a":1}}'],
    ['a name without end', JSON.stringify({ model: 'm'.repeat(600) })],
    ['depth', '['.repeat(4000)],
  ])('is refused: %s', async (_, body) => {
    await using cluster = await start();
    const answer = await within(openTicket(cluster.servers[0]?.url ?? '', 'x', body).answer, 'the refusal');
    expect([answer.status, answer.headers['x-ollana-error']]).toEqual([400, 'OLLANA_BAD_REQUEST']);
    expect((await ask(cluster, '/api/chat', chat('m', 'q'))).status).toBe(200);
  });

  it('with numbers that are none is served like any other, and what is told stays finite', async () => {
    await using cluster = await start();
    const url = cluster.servers[0]?.url ?? '';
    using watched = await watchLoad(url);
    const bodies = [
      '{"model":"m","promptTokens":1e308,"maxOutputTokens":-5,"numCtx":"many"}',
      '{"model":"m","promptTokens":null,"maxOutputTokens":[],"numCtx":{}}',
    ];
    for (const body of bodies) {
      const ticket = openTicket(url, 'x', body);
      await until(5000, 'a grant', () => ticket.grant() !== undefined);
      await until(5000, 'it to be told', () => watched.row()?.active === 1);
      expect(Number.isFinite(watched.row()?.backlogMs)).toBe(true);
      ticket.close();
      await watched.idle();
    }
    expect((await ask(cluster, '/api/chat', chat('m', 'q'))).status).toBe(200);
  });

  it('is cut when it is too long or dribbles in, and others are served meanwhile', async () => {
    await using cluster = await start();
    const url = cluster.servers[0]?.url ?? '';
    const huge = openTicket(url, 'x', Buffer.alloc(8 * 1024 * 1024, ' '));
    const cut = await within(huge.answer, 'the cut');
    expect(cut.status === 413 || /ECONNRESET|EPIPE/.test(cut.error ?? '')).toBe(true);
    const startedAt = performance.now();
    const slow = dribble(url);
    expect((await ask(cluster, '/api/chat', chat('m', 'q'))).status).toBe(200);
    await within(slow, 'the cut', 8000);
    expect(performance.now() - startedAt).toBeLessThan(7000);
    expect((await ask(cluster, '/api/chat', chat('m', 'q'))).status).toBe(200);
  });
});

describe('a laptop that falls asleep', () => {
  it('with a grant costs the others 2 s, and is served when it wakes', async () => {
    // A grant that is only held lapses by itself, on a busy machine before all others have come.
    const gate = startGate();
    await using cluster = await start(gate.clock);
    const url = cluster.servers[0]?.url ?? '';
    using watched = await watchLoad(url);
    await using laptop = await startLaptop(url);
    gate.close();
    const held = send({ url }, '/api/chat', chat('m', 'hold'));
    await until(5000, 'it to be told', () => watched.row()?.active === 1);
    const request = send(laptop, '/api/chat', chat('m', 'asleep'));
    await watched.queued(1);
    const next = openTicket(url, 'y');
    await watched.queued(2);
    laptop.process.child.kill('SIGSTOP');
    gate.open();
    await within(held.answer, 'the slot to be free');
    const freedAt = performance.now();
    await granted(next);
    const waited = (next.grantedAt() ?? 0) - freedAt;
    laptop.process.child.kill('SIGCONT');
    next.close();
    expect(waited).toBeGreaterThan(1800);
    expect(waited).toBeLessThan(2600);
    const answer = await within(request.answer, 'the answer', 10_000);
    expect(answer.status).toBe(200);
    await watched.idle();
  });
});

const granted = (ticket: HandTicket) => until(5000, 'a grant', () => ticket.grant() !== undefined);

/** Client mode as a process of its own, which knows one server and its load. */
async function startLaptop(url: string) {
  const daemon = await startDaemon({
    args: ['--server', url, '--no-local-fallback', '--port', '0', '--no-udp', '--no-mdns'],
    startMs: 20_000,
    launch: (command, [_built, ...rest], env) =>
      new TestProcess(command, ['--import', 'tsx', CLI, ...rest], { env: cleanEnvironment(env) }),
  });
  await until(10_000, 'the laptop to know its server', async () =>
    (await ask(daemon, '/api/ps')).text.includes('"m:latest"'),
  );
  return daemon;
}

/** A ticket of which a byte comes now and then; resolves when the server has cut it. */
function dribble(url: string): Promise<void> {
  return new Promise((resolve) => {
    const request = httpRequest(url + TICKETS_PATH, { method: 'POST', agent: false });
    const timer = setInterval(() => request.write(' '), 200);
    request.on('error', () => {});
    request.on('close', () => {
      clearInterval(timer);
      resolve();
    });
    request.flushHeaders();
  });
}

import { type ClientRequest, request } from 'node:http';
import net, { type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../src/clock.ts';
import { WATCH_PATH } from '../src/fleet/feed-reader.ts';
import { DEVICE_HEADER, TICKETS_PATH } from '../src/server/ticket-wire.ts';
import { startCluster } from './_cluster.ts';
import { TestLog } from './_cluster-config.ts';
import { until } from './_deadline.ts';
import { startGate, watchLoad } from './_door.ts';
import { askFrom, connectFrom, HONEST, HOSTILE } from './_peer.ts';
import { chat, send, within } from './_simulate-client.ts';
import { skipBecause } from './_skip.ts';

const CHAT = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hello' }], stream: false });
const JSON_POST = (path: string, headers = {}) => ({
  path,
  method: 'POST',
  headers: { 'Content-Type': 'application/json', ...headers },
});

const start = (clock: Clock = systemClock) =>
  startCluster({
    serve: true,
    ollamas: [{ models: [{ name: 'm', tokensPerSecond: 200 }], clock }],
    loaded: ['m'],
    server: { parallel: 1 },
  });

const portOf = (url = '') => Number(new URL(url).port);

/** Asks for a ticket in the name of a device; the answer is left alone. */
function ticketFrom(address: string, port: number, device: string) {
  const state = { status: 0, text: '', at: 0 };
  const sent = request({
    ...{ host: '127.0.0.1', port, localAddress: address, agent: false },
    ...JSON_POST(TICKETS_PATH, { [DEVICE_HEADER]: device }),
  });
  sent.on('error', () => {});
  sent.on('response', (answer) => {
    state.status = answer.statusCode ?? 0;
    state.at = performance.now();
    answer
      .on('error', () => {})
      .on('data', (chunk) => {
        state.text += chunk;
      });
  });
  sent.end('{"model":"m"}');
  return Object.assign(state, { sent });
}

describe('a hostile machine', () => {
  skipBecause(process.platform === 'linux' ? undefined : 'other systems have no second loopback address');

  it('that takes connections, tickets and memory is refused, and another one is served; all is free when it goes', {
    timeout: 60_000,
  }, async () => {
    await using cluster = await start();
    const port = portOf(cluster.servers[0]?.url);
    const sockets: Socket[] = [];
    const requests: ClientRequest[] = [];
    // Connections that never say what they want, as many as it gets.
    for (let i = 0; i < 600; i += 1) {
      const socket = net.connect({ port, host: '127.0.0.1', localAddress: HOSTILE }).on('error', () => {});
      socket.once('connect', () => socket.write('POST /api/chat HTTP/1.1\r\nHost: x\r\n'));
      sockets.push(socket.resume());
    }
    await until(10_000, 'it to be refused', async () => {
      const answer = await askFrom(HOSTILE, port, { path: '/api/version' });
      return answer.status === 503 && answer.headers['x-ollana-error'] === 'OLLANA_TOO_MANY';
    });
    expect((await askFrom(HONEST, port, JSON_POST('/api/chat'), CHAT)).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await until(5000, 'its connections to be free', async () => {
      return (await askFrom(HOSTILE, port, { path: '/api/version' })).status === 200;
    });

    // Of a body that is too long the header tells.
    const large = Buffer.alloc(140_000_000, ' ');
    const refused = await askFrom(HOSTILE, port, JSON_POST('/api/chat'), large).catch(() => undefined);
    expect([undefined, 413]).toContain(refused?.status);
    expect((await askFrom(HONEST, port, JSON_POST('/api/chat'), CHAT)).status).toBe(200);
    for (const one of requests) one.destroy();
  });

  it('is not told of all its tickets in excess at one moment, which would keep the streams of others waiting', async () => {
    await using cluster = await start();
    const port = portOf(cluster.servers[0]?.url);
    const tickets = Array.from({ length: 300 }, () => ticketFrom(HOSTILE, port, 'x'));
    await until(10_000, 'an answer to each', () => tickets.every(({ at }) => at > 0));
    const late = tickets.flatMap(({ status, at }) => (status === 429 ? [at] : []));
    expect(late.length).toBeGreaterThan(50);
    expect(Math.max(...late) - Math.min(...late)).toBeGreaterThan(300);
    for (const { sent } of tickets) sent.destroy();
  });

  it('gets so many tickets in a second, and so many places under as many names as it likes', {
    timeout: 60_000,
  }, async () => {
    // A grant that is only held lapses by itself, on a busy machine before all others have come.
    const gate = startGate();
    await using cluster = await start(gate.clock);
    const { url = '' } = cluster.servers[0] ?? {};
    const port = portOf(url);
    using watched = await watchLoad(url);
    gate.close();
    const held = send({ url }, '/api/chat', chat('m', 'hold'));
    await until(5000, 'it to run', () => watched.row()?.active === 1);
    const tickets = Array.from({ length: 300 }, (_, i) => ticketFrom(HOSTILE, port, `device ${i % 3}`));
    await until(10_000, 'it to be refused', () => tickets.some(({ status }) => status === 429));
    const late = tickets.filter(({ status }) => status === 429);
    await until(5000, 'the words', () => late.every(({ text }) => text.endsWith('}')));
    expect(JSON.parse(late[0]?.text ?? '').error).toContain('over 200 tickets a second');
    const waiting = watched.row()?.queued ?? 0;
    expect(waiting).toBeGreaterThanOrEqual(200);
    expect(waiting).toBeLessThanOrEqual(300);
    // Another one comes when the seat is free: its turn is next but two, not the three hundredth.
    const other = ticketFrom(HONEST, port, 'honest');
    await until(5000, 'it to wait', () => (watched.row()?.queued ?? 0) > waiting);
    for (const { sent } of tickets) sent.destroy();
    await until(5000, 'its places to be free', () => watched.row()?.queued === 1);
    gate.open();
    await within(held.answer, 'the slot to be free');
    await until(5000, 'the grant', () => other.text.includes('grant'));
    other.sent.destroy();
    await watched.idle();
  });

  it('watches with few streams, and others with theirs', async () => {
    await using cluster = await start();
    const port = portOf(cluster.servers[0]?.url);
    const watch = async (address: string) => {
      const socket = await connectFrom(address, port);
      socket.write(`GET ${WATCH_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
      return socket;
    };
    const streams = await Promise.all(Array.from({ length: 32 }, () => watch(HOSTILE)));
    await until(5000, 'all to be told', () => streams.every(({ said }) => said.includes(' 200 OK')));
    const more = await watch(HOSTILE);
    await until(5000, 'the refusal', () => more.said.includes('503'));
    expect(more.said).toContain(`32 streams of ${HOSTILE} watch already: close one`);
    const other = await watch(HONEST);
    await until(5000, 'the other to be told', () => other.said.includes(' 200 OK'));
    streams[0]?.destroy();
    await until(5000, 'a place to be free', async () => {
      const again = await watch(HOSTILE);
      await until(2000, 'an answer', () => again.said.includes('HTTP/1.1 '));
      return again.said.includes(' 200 OK');
    });
  });
});

it('a flood of refusals is a line in the log, and how many there were in the next', async () => {
  const { narrateLimits } = await import('../src/observe/narrate-limits.ts');
  let now = 0;
  const log = new TestLog();
  const clock = { now: () => now, wall: () => now, after: () => () => {}, every: () => () => {} };
  const tell = narrateLimits(log, clock);
  for (let i = 0; i < 1000; i += 1) tell({ type: 'limit-reached', limit: 'queue', peer: 'a' });
  tell({ type: 'limit-reached', limit: 'connections', peer: 'b' });
  expect(log.lines).toHaveLength(2);
  now = 60_001;
  tell({ type: 'limit-reached', limit: 'queue', peer: 'c' });
  expect(log.lines[2]?.fields).toEqual({ limit: 'queue', peer: 'c', moreBefore: 999 });
});

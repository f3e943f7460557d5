import http from 'node:http';
import { createServer, type Server as SecureServer } from 'node:https';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { fetchSmall } from '../src/ollama/client.ts';
import { isOwnLoss, Transport } from '../src/proxy/transport.ts';
import { PLAIN } from '../src/security/dial.ts';
import { Dialer } from '../src/security/dialer.ts';
import { loadIdentity, passingIdentity } from '../src/security/identity.ts';
import { PathAgent } from '../src/security/path-agent.ts';
import { listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { noOutside, startTwo } from './_paired.ts';
import { skipBecause } from './_skip.ts';

const LIMITS = { clock: systemClock, connectTimeoutMs: 2000, timeoutMs: 5000 };
const HEADER = 'x-told';

/** A device that answers by TLS with the header that it was sent, and its name. */
async function device(name: string) {
  const own = passingIdentity();
  const server: SecureServer = createServer({ key: own.key, cert: own.cert }, (request, response) =>
    response.end(JSON.stringify([name, request.headers[HEADER] ?? null, request.socket.remotePort])),
  );
  return Object.assign(await listenOn(server), { id: own.deviceId });
}

type Said = readonly [name: string, told: string | null, from: number];

describe('a path', () => {
  it('that is pinned carries its headers over TLS to that device alone, over a connection that is kept', async () => {
    await using here = await device('here');
    const dialer = new Dialer();
    const agent = new PathAgent({ keepAlive: true }, dialer);
    const ask = async () => JSON.parse(`${(await fetchSmall(here.url, { ...LIMITS, agent })).body}`) as Said;
    dialer.pin(here.url, { deviceId: here.id, headers: { [HEADER]: 'secret' } });
    const [first, second] = [await ask(), await ask()];
    expect(first.slice(0, 2)).toEqual(['here', 'secret']);
    expect(second).toEqual(first);
    // Whom it leads to counts, not only where: the connection that is kept is another device's.
    dialer.pin(here.url, { deviceId: 'f'.repeat(64), headers: { [HEADER]: 'another' } });
    await expect(ask()).rejects.toThrow(/another certificate/);
    dialer.unpin(here.url);
    await expect(ask()).rejects.toMatchObject({ code: 'OLLANA_UPSTREAM_FAILED' });
    agent.destroy();
  });

  it('by https goes to whom an authority vouches for, whatever is pinned there', async () => {
    await using here = await device('here');
    const dialer = new Dialer();
    using transport = new Transport({ clock: systemClock, connectTimeoutMs: 1000, dialer });
    const url = here.url.replace('http:', 'https:');
    dialer.pin(url, { deviceId: here.id });
    for (const agent of [transport.agent, undefined])
      await expect(fetchSmall(url, { ...LIMITS, agent })).rejects.toMatchObject({
        code: 'OLLANA_DIAL_FAILED',
        message: expect.stringContaining('self-signed'),
      });
  });

  it.each([
    ['http://[fe80::1%lo]:11435', 'fe80::1%lo', 11435],
    ['http://[::1]', '::1', 80],
    ['http://gpu.example:1', 'gpu.example', 1],
  ])('%s is asked for as host and port, with the zone and without brackets', async (url, host, port) => {
    const asked: unknown[] = [];
    const dial = (...place: unknown[]) => {
      asked.push(place);
      return { type: 'tls', refuses: () => undefined } as const;
    };
    const over = new AbortController();
    const agent = new PathAgent({}, { ...PLAIN, dial });
    const answer = fetchSmall(url, { ...LIMITS, agent, signal: over.signal });
    over.abort();
    await expect(answer).rejects.toThrow();
    expect(asked).toEqual([[host, port]]);
    const dialer = new Dialer();
    dialer.pin(url, { deviceId: 'a'.repeat(64) });
    expect([dialer.dial(host, port).type, dialer.dial(host, 9).type]).toEqual(['tls', 'plain']);
  });
});

describe('connections whose own address is lost', () => {
  skipBecause(noOutside);

  it('are closed to paired devices, too: idle ones first, then those in use', async () => {
    await using two = await startTwo();
    await two.pair();
    const slow = { models: [{ name: 'm', tokensPerSecond: 5, loadMs: 0 }], answer: 'word '.repeat(100) };
    const server = await two.serve({}, slow);
    const trust = { closed: true, isPaired: (id: string) => id === two.serverId };
    const dialer = new Dialer({ own: loadIdentity(two.clientDir), trust });
    using transport = new Transport({ clock: systemClock, connectTimeoutMs: 1000, dialer });
    const { agent, fresh } = transport;
    const count = (which: 'freeSockets' | 'sockets') =>
      [agent, fresh].flatMap((one) => Object.values(one[which])).flat().length;
    await fetchSmall(`${server.outside}/api/version`, { ...LIMITS, agent });
    await until(1000, 'the connection to be kept', () => count('freeSockets') === 1);
    transport.closeLost('idle', () => true);
    expect(count('freeSockets')).toBe(1);
    for (const one of [agent, fresh]) {
      const run = http.request(`${server.outside}/api/chat`, { method: 'POST', agent: one });
      const failed = new Promise<Error>((resolve) => {
        run.on('error', resolve);
        run.on('response', (response) => response.on('error', resolve).resume());
      });
      run.end(JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x' }] }));
      await until(2000, 'it to be in use', () => count('sockets') === 1);
      transport.closeLost('idle', () => false);
      await until(1000, 'idle connections to be closed', () => count('freeSockets') === 0);
      expect(count('sockets')).toBe(1);
      const [socket] = Object.values(one.sockets).flatMap((sockets) => sockets ?? []);
      await until(1000, 'it to be connected', () => socket?.localAddress !== undefined);
      transport.closeLost('all', () => false);
      await failed;
      expect(isOwnLoss(socket?.errored)).toBe(true);
      await until(1000, 'it to be closed', () => count('sockets') === 0);
    }
  });
});

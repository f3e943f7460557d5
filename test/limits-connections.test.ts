import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { HEADERS_TIMEOUT_MS, MAX_HEADER_LINES, MAX_PIPELINED } from '../src/daemon/header-limits.ts';
import { MAX_PER_PEER } from '../src/daemon/peer-connections.ts';
import { until } from './_deadline.ts';
import { askFrom, connectFrom, HONEST, HOSTILE, startFace } from './_peer.ts';
import { skipBecause } from './_skip.ts';

const ok: RequestListener = (_, response) => void response.end('ok');
const GET = { path: '/', method: 'GET' };

const endAll = (sockets: readonly Socket[]) => {
  for (const socket of sockets) socket.destroy();
};

describe('connections', () => {
  skipBecause(process.platform === 'linux' ? undefined : 'other systems have no second loopback address');

  it('of one address are bounded, and it is told so; others come in, and it does again when some have gone', async () => {
    await using face = await startFace(ok);
    const held = await Promise.all(
      Array.from({ length: MAX_PER_PEER }, () => connectFrom(HOSTILE, face.port)),
    );
    const refused = await askFrom(HOSTILE, face.port, GET);
    expect([refused.status, refused.headers['x-ollana-error'], refused.headers['retry-after']]).toEqual([
      ...[503, 'OLLANA_TOO_MANY', '2'],
    ]);
    expect(JSON.parse(refused.text)).toEqual({
      error: `${HOSTILE} has ${MAX_PER_PEER} connections to this ollana, which is the most: close some, or send requests one after the other`,
    });
    expect(face.limits.events).toEqual([
      { type: 'limit-reached', limit: 'connections-per-peer', peer: HOSTILE },
    ]);
    expect((await askFrom(HONEST, face.port, GET)).text).toBe('ok');
    endAll(held);
    await until(5000, 'it to be let in', async () => (await askFrom(HOSTILE, face.port, GET)).text === 'ok');
  });

  it('of all other machines are bounded, and programs of this one come in', async () => {
    await using face = await startFace(ok);
    const held: Socket[] = [];
    for (let i = 10; i < 18; i += 1)
      held.push(
        ...(await Promise.all(
          Array.from({ length: MAX_PER_PEER }, () => connectFrom(`127.0.0.${i}`, face.port)),
        )),
      );
    const refused = await askFrom(HONEST, face.port, GET);
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.text).error).toContain('all other machines have 4096 connections');
    expect(face.limits.of('connections')).toHaveLength(1);
    expect((await askFrom('127.0.0.1', face.port, GET)).text).toBe('ok');
    endAll(held);
  });

  it('of this machine are not', async () => {
    await using face = await startFace(ok);
    const held = await Promise.all(
      Array.from({ length: MAX_PER_PEER + 50 }, () => connectFrom('127.0.0.1', face.port)),
    );
    expect((await askFrom('127.0.0.1', face.port, GET)).text).toBe('ok');
    expect(face.limits.events).toEqual([]);
    endAll(held);
  });

  it('carry few requests that nobody has answered', async () => {
    let asked = 0;
    await using face = await startFace(() => {
      asked += 1;
    });
    const socket = await connectFrom(HOSTILE, face.port);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(500));
    await until(5000, 'the cut', () => socket.destroyed);
    expect(asked).toBe(MAX_PIPELINED);
    expect(face.limits.of('pipelined-requests')).toHaveLength(1);
  });
});

describe('a header', () => {
  it('that is too long is refused with why', async () => {
    await using face = await startFace(ok);
    const headers = { a: 'x'.repeat(70_000) };
    const refused = await askFrom(HONEST, face.port, { ...GET, headers });
    expect([refused.status, refused.headers['x-ollana-error']]).toEqual([431, 'OLLANA_BAD_REQUEST']);
    expect(JSON.parse(refused.text).error).toContain('over 64 kB');
    expect(face.limits.of('header-bytes')).toHaveLength(1);
  });

  it('of too many lines is refused rather than cut short, and one within the limit arrives whole', async () => {
    let lines = 0;
    await using face = await startFace(({ rawHeaders }, response) => {
      lines = rawHeaders.length / 2;
      response.end('ok');
    });
    const with_ = (count: number) => {
      const headers = Object.fromEntries(Array.from({ length: count - 2 }, (_, i) => [`a${i}`, '1']));
      return askFrom(HONEST, face.port, { ...GET, headers }); // Host and Connection are Node's.
    };
    expect((await with_(MAX_HEADER_LINES)).text).toBe('ok');
    expect(lines).toBe(MAX_HEADER_LINES);
    for (const count of [MAX_HEADER_LINES + 1, 3000]) {
      const refused = await with_(count);
      expect(refused.status).toBe(431);
      expect(JSON.parse(refused.text).error).toContain(`over ${MAX_HEADER_LINES} headers`);
    }
    expect(face.limits.of('header-count')).toHaveLength(2);
  });

  it('that dribbles is cut off in time, on a connection that has had an answer too', async () => {
    await using face = await startFace(ok);
    const startedAt = performance.now();
    const sockets = await Promise.all([HOSTILE, HOSTILE].map((peer) => connectFrom(peer, face.port)));
    sockets[1]?.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(
      2000,
      'an answer',
      () => sockets[1]?.said.endsWith('0\r\n\r\n') || sockets[1]?.said.endsWith('ok'),
    );
    for (const socket of sockets) socket.write('GET / HTTP/1.1\r\nHost: x\r\n');
    const timer = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write('a: b\r\n');
    }, 500);
    await until(15_000, 'the cut', () => sockets.every(({ destroyed }) => destroyed), 50);
    clearInterval(timer);
    const ms = performance.now() - startedAt;
    expect(ms).toBeGreaterThan(HEADERS_TIMEOUT_MS - 500);
    expect(ms).toBeLessThan(HEADERS_TIMEOUT_MS + 4000);
    for (const { said } of sockets) {
      expect(said).toContain('HTTP/1.1 408 Request Timeout\r\n');
      expect(said).toContain(
        '{"error":"the header of this request did not come within 10 s: send it at once"}',
      );
    }
    expect(face.limits.of('header-time').map(({ peer }) => peer)).toEqual([HOSTILE, HOSTILE]);
  }, 30_000);
});

import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { BodyDecoder } from '../src/ollama/decode-body.ts';
import { routeOf } from '../src/ollama/routes.ts';
import { BodyReader } from '../src/proxy/body.ts';
import { type BodyBounds, bodyBounds } from '../src/proxy/body-limits.ts';
import { fasterClock } from './_cluster-config.ts';
import { until } from './_deadline.ts';
import { askFrom, connectFrom, HONEST, HOSTILE, Limits, startFace } from './_peer.ts';
import { zstdSpaces } from './_zstd.ts';

const MIB = 1024 * 1024;

/** A face that reads bodies as requests for their path, holds them until `release`, and tells what came of it. */
async function startReader(clock = systemClock, release: Promise<unknown> = Promise.resolve()) {
  const limits = new Limits();
  const bodies = new BodyReader({ clock, onLimit: limits.on });
  let reads = 0;
  const face = await startFace(async (request, response) => {
    const bounds: BodyBounds = bodyBounds(
      routeOf(request.method ?? '', request.url ?? ''),
      request.socket.remoteAddress,
    );
    try {
      const body = await bodies.read(request, response, bounds);
      reads += 1;
      if (request.headers['x-early'] !== undefined) response.write('{"status":"begun"}');
      if (body.type === 'streaming')
        await Promise.race([once(body.open().resume(), 'end'), once(request, 'close')]);
      await release;
      body.release();
      response.end(body.type);
    } catch (error) {
      const { status = 500, limit, message } = error as { status?: number; limit?: never; message: string };
      if (limit) limits.on({ type: 'limit-reached', limit, peer: request.socket.remoteAddress });
      if (!response.headersSent) response.writeHead(status).end(JSON.stringify({ error: message }));
    }
  });
  return Object.assign(face, { said: limits, reads: () => reads });
}

const post = (path: string, headers = {}) => ({ path, method: 'POST', headers });

describe('a body of another machine', () => {
  it.each([
    ['/api/chat', 128],
    ['/v1/chat/completions', 128],
    ['/api/show', 4],
    ['/api/pull', 4],
    ['/api/unknown', 128],
  ])(
    'for %s is refused above %i MiB by what its header says, and when it comes without a length',
    async (path, mib) => {
      await using reader = await startReader();
      const whole = Buffer.alloc(mib * MIB);
      expect((await askFrom(HOSTILE, reader.port, post(path), whole)).text).toBe(
        // What is too long to be kept is passed on as it comes.
        mib > 32 ? 'streaming' : 'whole',
      );
      // Only the header: the rest is not waited for.
      const socket = await connectFrom(HOSTILE, reader.port);
      socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${whole.length + 1}\r\n\r\n`);
      await until(2000, 'the refusal', () => socket.said.includes('413'));
      expect(socket.said).toContain(`the body for ${path} is over ${mib} MiB`);
      socket.destroy();
      const chunked = post(path, { 'Transfer-Encoding': 'chunked' });
      const refused = await askFrom(HOSTILE, reader.port, chunked, Buffer.alloc(whole.length + 1));
      expect(refused.status).toBe(413);
      expect(reader.said.of('body-bytes')).toHaveLength(2);
    },
  );

  it('is taken at any length for a blob, and of a program of this machine for anything', async () => {
    await using reader = await startReader();
    const large = Buffer.alloc(33 * MIB);
    const blob = await askFrom(HONEST, reader.port, post('/api/blobs/sha256:1'), large);
    expect(blob.text).toBe('streaming');
    expect((await askFrom('127.0.0.1', reader.port, post('/api/chat'), large)).text).toBe('streaming');
    expect(reader.said.events).toEqual([]);
  });

  it('that is refused is not read to its end, and its connection ends', async () => {
    await using reader = await startReader();
    const socket = await connectFrom(HOSTILE, reader.port);
    const length = 400 * MIB;
    socket.write(`POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`);
    const piece = Buffer.alloc(MIB);
    const more = () => {
      while (!socket.destroyed && socket.bytesWritten < length && socket.write(piece));
    };
    socket.on('drain', more);
    more();
    await until(2000, 'the refusal', () => socket.said.includes('HTTP/1.1 413'));
    await until(5000, 'the cut', () => socket.destroyed);
    expect(socket.bytesWritten - socket.writableLength).toBeLessThan(40 * MIB);
  });

  it('that dribbles is given up, and one that comes slowly but well is not', async () => {
    await using reader = await startReader(fasterClock(20));
    const slow = await connectFrom(HOSTILE, reader.port);
    const well = await connectFrom(HONEST, reader.port);
    const head = 'POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n';
    for (const socket of [slow, well]) socket.write(head);
    const timer = setInterval(() => {
      if (slow.writable) slow.write('x');
      if (well.writable) well.write(Buffer.alloc(60_000));
    }, 50);
    await until(5000, 'the refusal', () => slow.said.includes('HTTP/1.1 408'));
    await until(8000, 'the other', () => well.said.includes('whole'));
    clearInterval(timer);
    expect(slow.said).toContain('comes slower than 8 kB a second');
    expect(reader.said.of('body-time').map(({ peer }) => peer)).toEqual([HOSTILE]);
    for (const socket of [slow, well]) socket.destroy();
  });

  it('that is passed on is given up when nothing more of it comes for a minute', async () => {
    await using reader = await startReader(fasterClock(60), new Promise(() => {}));
    const socket = await connectFrom(HOSTILE, reader.port);
    socket.write('POST /api/blobs/sha256:1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc');
    await until(5000, 'the cut', () => socket.destroyed);
    expect(socket.said).toContain('HTTP/1.1 408');
    expect(reader.said.of('body-time').map(({ peer }) => peer)).toEqual([HOSTILE]);
  });

  it('that stops coming when its answer has begun is cut, and nothing is put into the answer', async () => {
    await using reader = await startReader(fasterClock(60), new Promise(() => {}));
    const socket = await connectFrom(HOSTILE, reader.port);
    const head =
      'POST /api/blobs/sha256:1 HTTP/1.1\r\nHost: x\r\nX-Early: yes\r\nContent-Length: 1000\r\n\r\nabc';
    socket.write(head);
    await until(5000, 'the cut', () => socket.destroyed);
    expect(socket.said).toContain('{"status":"begun"}');
    expect(socket.said.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });

  it('is refused while others of the same machine fill its share of the memory; those of another are taken', {
    timeout: 30_000,
  }, async () => {
    let free = () => {};
    const release = new Promise<void>((resolve) => {
      free = resolve;
    });
    // Read at the pace of a network, which takes some seconds.
    await using reader = await startReader(fasterClock(20), release);
    const large = Buffer.alloc(32 * MIB);
    const held = Array.from({ length: 4 }, () => askFrom(HOSTILE, reader.port, post('/api/chat'), large));
    await until(10_000, 'all to be held', () => reader.reads() === 4);
    const small = Buffer.alloc(100_000);
    const refused = await askFrom(HOSTILE, reader.port, post('/api/chat'), small);
    expect(refused.status).toBe(503);
    expect(refused.text).toContain(
      `the requests of ${HOSTILE} that run or wait here have bodies of over 128 MiB`,
    );
    const other = askFrom(HONEST, reader.port, post('/api/chat'), small);
    await until(5000, 'the other to be held', () => reader.reads() === 5);
    free();
    expect((await other).text).toBe('whole');
    await Promise.all(held);
    expect((await askFrom(HOSTILE, reader.port, post('/api/chat'), small)).text).toBe('whole');
    expect(reader.said.of('body-memory')).toHaveLength(1);
  });
});

describe('a compressed body', () => {
  const bomb = gzipSync(Buffer.alloc(10 * MIB, ' '));

  it.each([
    ['gzip', bomb],
    ['zstd', zstdSpaces(80)],
  ])('that becomes 200 times its length by %s is left alone', async (coding, body) => {
    const limits = new Limits();
    const decoder = new BodyDecoder({ clock: systemClock, onLimit: limits.on });
    expect(10 * MIB).toBeGreaterThan(200 * body.length);
    expect(await decoder.decode(coding, body, HOSTILE)).toBeUndefined();
    expect(limits.events).toEqual([{ type: 'limit-reached', limit: 'decoded-bytes', peer: HOSTILE }]);
    // Below a MiB it may be anything.
    const short = gzipSync(Buffer.alloc(MIB, ' '));
    expect((await decoder.decode('gzip', short, HOSTILE))?.length).toBe(MIB);
  });

  it('waits for few others of the same machine, and not behind all of another', async () => {
    const limits = new Limits();
    const decoder = new BodyDecoder({ clock: systemClock, onLimit: limits.on });
    const body = gzipSync(Buffer.from('{"model":"m"}'));
    const hostile = Array.from({ length: 80 }, () => decoder.decode('gzip', body, HOSTILE));
    const honest = Array.from({ length: 8 }, () => decoder.decode('gzip', body, HONEST));
    expect((await Promise.all(honest)).every((plain) => plain?.toString() === '{"model":"m"}')).toBe(true);
    expect((await Promise.all(hostile)).filter((plain) => plain !== undefined)).toHaveLength(8);
    expect(limits.of('decodings-per-peer')).toHaveLength(72);
    expect(await decoder.decode('gzip', body, HOSTILE)).toBeDefined();
  });
});

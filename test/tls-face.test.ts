import { type IncomingMessage, request as plainRequest, type RequestListener } from 'node:http';
import { Agent, request as tlsRequest } from 'node:https';
import net, { type Socket } from 'node:net';
import tls from 'node:tls';
import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../src/clock.ts';
import { FIRST_BYTE_MS, MAX_SILENT, type Secure } from '../src/daemon/first-byte.ts';
import { type Face, listen } from '../src/daemon/listen.ts';
import { selfSigned } from '../src/security/self-signed.ts';
import { fasterClock } from './_cluster-config.ts';
import { next, until, within } from './_deadline.ts';

const OWN = selfSigned('test');

/** Answers with who asks and the bytes it was sent; `/wait` is never answered. */
const echo: RequestListener = (incoming, response) => {
  if (incoming.url === '/wait') return;
  response.setHeader('x-from', `${incoming.socket.remoteAddress}`);
  incoming.pipe(response);
};

interface Started extends AsyncDisposable {
  readonly face: Face;
  readonly to: { readonly host: string; readonly port: number };
}

async function start(secure: Partial<Secure> = {}): Promise<Started> {
  const clock: Clock = systemClock;
  const all = { clock, certificate: () => OWN, onFailure: () => {}, ...secure };
  const face = await listen('127.0.0.1', 0, echo, { clock, onLimit: () => {} }, all);
  return {
    face,
    to: { host: '127.0.0.1', port: face.port },
    [Symbol.asyncDispose]: async () => face.cut(),
  };
}

const ANYONE = { rejectUnauthorized: false };

/** Posts a body and reads the answer. */
function post(secure: boolean, to: Started['to'], body: Buffer, more: object = {}) {
  return within(
    10_000,
    `an answer by ${secure ? 'TLS' : 'plain HTTP'}`,
    new Promise<{ from: unknown; body: Buffer; socket: Socket }>((resolve, reject) => {
      const options = { ...to, method: 'POST', agent: false as const, ...ANYONE, ...more };
      const sent = (secure ? tlsRequest : plainRequest)(options, async (response) => {
        const { socket } = response; // Gone from it when the connection is free again.
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        resolve({ from: response.headers['x-from'], body: Buffer.concat(chunks), socket });
      });
      sent.on('error', reject);
      // In many pieces, so that it takes more than what was there when the kind was told.
      for (let at = 0; at < body.length; at += 10_000) sent.write(body.subarray(at, at + 10_000));
      sent.end();
    }),
  );
}

/** A connection that says nothing by itself. */
async function connected(to: Started['to']): Promise<Socket> {
  const socket = net.connect(to);
  socket.on('error', () => {});
  await next(socket, 'connect', 5000);
  return socket;
}

const closed = (socket: Socket) =>
  until(10_000, 'the connection to be closed', () => socket.destroyed || socket.readableEnded);

describe('one port for plain HTTP and TLS', () => {
  it.each([0, 1, 300_000, 5_000_000])('answers both kinds alike, with a body of %i bytes', async (size) => {
    await using started = await start();
    const body = Buffer.alloc(size, 'abcdefg');
    for (const secure of [false, true, false, true]) {
      const answer = await post(secure, started.to, body);
      expect(answer.body.equals(body)).toBe(true);
      expect(answer.from).toBe('127.0.0.1');
    }
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s and HTTP/1.1', async (version) => {
    await using started = await start();
    const socket = tls.connect({
      ...started.to,
      ...ANYONE,
      minVersion: version,
      maxVersion: version,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    await next(socket, 'secureConnect', 5000);
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual([version, 'http/1.1']);
    socket.destroy();
  });

  it('keeps a TLS connection for the next request', async () => {
    await using started = await start();
    const agent = new Agent({ keepAlive: true, ...ANYONE });
    const first = await post(true, started.to, Buffer.from('one'), { agent });
    const second = await post(true, started.to, Buffer.from('two'), { agent });
    expect(second.body.toString()).toBe('two');
    expect(second.socket).toBe(first.socket);
    agent.destroy();
  });

  it('answers many of both kinds side by side', async () => {
    await using started = await start();
    const bodies = Array.from({ length: 60 }, (_, i) => Buffer.alloc(i * 3000, `${i} `));
    const answers = await Promise.all(bodies.map((body, i) => post(i % 2 === 0, started.to, body)));
    expect(answers.every(({ body }, i) => body.equals(bodies[i]!))).toBe(true);
  });

  it('takes a request that comes byte by byte', async () => {
    await using started = await start();
    const socket = await connected(started.to);
    let said = '';
    socket.on('data', (chunk) => {
      said += chunk;
    });
    for (const byte of 'GET / HTTP/1.1\r\nhost: x\r\n\r\n') {
      socket.write(byte);
      await new Promise(setImmediate);
    }
    await until(5000, 'an answer', () => said.startsWith('HTTP/1.1 200'));
    socket.destroy();
  });

  it('asks for its certificate when the first TLS connection comes, once', async () => {
    let asked = 0;
    const certificate = () => {
      asked += 1;
      return OWN;
    };
    await using started = await start({ certificate });
    await post(false, started.to, Buffer.from('x'));
    expect(asked).toBe(0);
    await Promise.all([post(true, started.to, Buffer.from('x')), post(true, started.to, Buffer.from('x'))]);
    expect(asked).toBe(1);
  });

  it('without a certificate refuses TLS, says so once in ten seconds, and tries again then', async () => {
    let now = 0;
    const clock = { ...systemClock, now: () => now };
    let able = false;
    const failures: unknown[] = [];
    const certificate = () => {
      if (!able) throw new Error('the disk is full');
      return OWN;
    };
    await using started = await start({ clock, certificate, onFailure: (error) => failures.push(error) });
    for (let i = 0; i < 3; i += 1)
      await expect(post(true, started.to, Buffer.from('x'))).rejects.toThrow(/disconnected|ECONNRESET/);
    expect(failures).toEqual([new Error('the disk is full')]);
    expect((await post(false, started.to, Buffer.from('plain'))).body.toString()).toBe('plain');
    able = true;
    now += 10_000;
    expect((await post(true, started.to, Buffer.from('x'))).body.toString()).toBe('x');
  });
});

describe('connections that are not what they seem', () => {
  it('are ended when no first byte comes in time, and not sooner', async () => {
    const factor = 50;
    await using started = await start({ clock: fasterClock(factor) });
    const begun = performance.now();
    const socket = await connected(started.to);
    await closed(socket);
    expect(performance.now() - begun).toBeGreaterThan((FIRST_BYTE_MS / factor) * 0.9);
  });

  it('are ended, the oldest first, when there are too many without a byte', async () => {
    await using started = await start();
    const sockets: Socket[] = [];
    for (let i = 0; i < MAX_SILENT; i += 1) sockets.push(await connected(started.to));
    expect((await post(true, started.to, Buffer.from('x'))).body.toString()).toBe('x');
    const [first, second] = sockets as [Socket, Socket];
    await closed(first); // The request was one too many for the moment before it spoke.
    expect(second.destroyed).toBe(false);
    for (const socket of sockets) socket.destroy();
  });

  it.each([
    ['that leaves at once', (socket: Socket) => socket.end()],
    ['that resets', (socket: Socket) => socket.resetAndDestroy()],
    ['with rubbish after the first byte of TLS', (socket: Socket) => socket.end(Buffer.alloc(3000, 0x16))],
    ['that stops in its handshake', (socket: Socket) => socket.end(Buffer.from('1603010200', 'hex'))],
    ['with rubbish instead of HTTP', (socket: Socket) => socket.end(Buffer.alloc(3000, 0xff))],
  ])('one %s is ended, and harms nobody', async (_what, act) => {
    await using started = await start();
    const socket = await connected(started.to);
    act(socket);
    socket.resume();
    await closed(socket);
    for (const secure of [true, false])
      expect((await post(secure, started.to, Buffer.from('x'))).body.toString()).toBe('x');
    const [server] = started.face.servers;
    await until(5000, 'no connection to be left', async () => {
      const count = await new Promise<number>((resolve) =>
        server?.getConnections((_, open) => resolve(open)),
      );
      return count === 0;
    });
  });
});

describe('the end of the face', () => {
  it('close ends the silent and the idle of both kinds, and lets those go on that are served', async () => {
    await using started = await start();
    const silent = await connected(started.to);
    const agent = new Agent({ keepAlive: true, ...ANYONE });
    const { socket: idle } = await post(true, started.to, Buffer.from('x'), { agent });
    const sent = tlsRequest({ ...started.to, ...ANYONE, method: 'POST', agent: false });
    const answered = next<IncomingMessage>(sent, 'response', 10_000);
    sent.write('first ');
    const answer = await answered;
    started.face.close();
    await closed(silent);
    await closed(idle);
    sent.end('last');
    let said = '';
    for await (const chunk of answer) said += chunk;
    expect(said).toBe('first last');
    agent.destroy();
  });

  it('cut ends everything: in use, in its handshake, silent', async () => {
    await using started = await start();
    const silent = await connected(started.to);
    const shaking = await connected(started.to);
    shaking.write(Buffer.from('160301', 'hex'));
    const sent = tlsRequest({ ...started.to, path: '/wait', ...ANYONE, agent: false });
    const broke = next<Error>(sent, 'error', 10_000);
    sent.end();
    const socket = await next<Socket>(sent, 'socket', 5000);
    await next(socket, 'secureConnect', 5000);
    const [server] = started.face.servers;
    const over = next(server!, 'close', 10_000);
    started.face.cut();
    await Promise.all([closed(silent), closed(shaking), broke, over]);
  });
});

import { request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { REPLAY_LIMIT_BYTES } from '../src/proxy/body-limits.ts';
import { startBefore } from './_cluster.ts';
import { listenOn, startUpstream } from './_cluster-upstream.ts';
import { within } from './_deadline.ts';
import { startRawUpstream } from './_fuzz-upstream.ts';
import { ask, chat } from './_simulate-client.ts';

/** What comes back for these bytes, until the other side ends the connection. */
function say(url: string, bytes: string): Promise<string> {
  const { hostname: host, port } = new URL(url);
  return within(
    2000,
    'the end',
    new Promise((resolve) => {
      let text = '';
      const socket = connect({ host, port: Number(port) }, () => socket.write(bytes, 'latin1'));
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
    }),
  );
}

describe('a body that streams', () => {
  it('stays one, whatever the method: a server never takes it for its next request', async () => {
    await using upstream = await startRawUpstream();
    await using face = await startBefore([upstream.url]);
    const evil = 'DELETE /api/delete HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
    const head = `HEAD /api/blobs/sha256:${'0'.repeat(64)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n`;
    await say(
      face.url,
      `${head}Transfer-Encoding: chunked\r\n\r\n${evil.length.toString(16)}\r\n${evil}\r\n0\r\n\r\n`,
    );
    await say(
      face.url,
      `${head.replace('close', 'close, content-length')}Content-Length: ${evil.length}\r\n\r\n${evil}`,
    );
    expect(upstream.faults).toEqual([]);
    expect(upstream.arrived.map(({ method, body }) => [method, body])).toEqual([
      ['HEAD', evil],
      ['HEAD', evil],
    ]);
  });

  it('arrives whole at a DELETE that is too long to be kept and does not say how long it is', async () => {
    const seen: [string | undefined, number][] = [];
    await using upstream = await startUpstream((incoming, response) => {
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      incoming.on('end', () => {
        seen.push([incoming.method, bytes]);
        response.end('{}');
      });
    });
    await using face = await startBefore([upstream.url]);
    const bytes = REPLAY_LIMIT_BYTES + 1_000_000;
    await within(
      10_000,
      'the answer',
      new Promise((resolve, reject) => {
        const sent = request(`${face.url}/api/nothing`, { method: 'DELETE', agent: false }, (response) => {
          response.resume().on('end', resolve);
        });
        sent.on('error', reject);
        sent.setHeader('Transfer-Encoding', 'chunked');
        sent.end(Buffer.alloc(bytes, 0x20));
      }),
    );
    expect(seen).toEqual([['DELETE', bytes]]);
  });
});

describe('a request that says twice who it is', () => {
  it.each([
    'Host: localhost\r\nHost: evil.example',
    'Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example',
  ])('is refused: %s', async (lines) => {
    await using upstream = await startRawUpstream();
    await using face = await startBefore([upstream.url]);
    const answer = await say(face.url, `GET /api/version HTTP/1.1\r\n${lines}\r\nConnection: close\r\n\r\n`);
    expect(answer.slice(0, 12)).toBe('HTTP/1.1 400');
  });
});

describe('a request that offers another protocol', () => {
  it('ends its connection with its answer, so that nobody waits for what follows on it', async () => {
    await using upstream = await startRawUpstream();
    await using face = await startBefore([upstream.url]);
    const first =
      'GET /api/version HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n';
    const answer = await say(
      face.url,
      `${first}GET /api/tags HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    // It may be asked again: the connection says that it ends here.
    expect(answer).toMatch(/^HTTP\/1\.1 200[\s\S]*Connection: close/);
  });
});

describe('a server whose answer is none', () => {
  /** Answers lists as an Ollama does, and everything else with `head`, again and again where it is said to. */
  async function startOdd(head: string, times = 1) {
    const inner = await startUpstream(() => {});
    const server = createServer((socket: Socket) => {
      socket.once('data', (first: Buffer) => {
        if (!first.toString('latin1').startsWith('POST')) {
          const far = connect(inner.port, '127.0.0.1');
          far.on('error', () => socket.destroy());
          far.write(first);
          socket.pipe(far).pipe(socket);
          return;
        }
        let left = times;
        const pour = () => {
          while (left > 0 && !socket.destroyed) {
            left -= 1;
            if (!socket.write(head, 'latin1')) return;
          }
        };
        socket.on('drain', pour);
        pour();
      });
    });
    const odd = await listenOn(server);
    return {
      url: odd.url,
      [Symbol.asyncDispose]: async () => {
        await odd[Symbol.asyncDispose]();
        await inner[Symbol.asyncDispose]();
      },
    };
  }

  it.each([
    [
      'another protocol',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
      1,
    ],
    ['early hints without end', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', 1_000_000],
    ['a status below all others', 'HTTP/1.1 000 None\r\nContent-Length: 2\r\n\r\n{}', 1],
    ['a bell in its status line', 'HTTP/1.1 200 O\x07K\r\nContent-Length: 2\r\n\r\n{}', 1],
    ['the same with an error', 'HTTP/1.1 500 O\x07K\r\nContent-Length: 2\r\n\r\n{}', 1],
    ['a coding that was not asked for', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}', 1],
  ])('is given up for %s, and the app is told', async (_, head, times) => {
    await using odd = await startOdd(head, times);
    await using face = await startBefore([odd.url], { holdMs: 0 });
    const answer = await within(2000, 'the answer', ask(face, '/api/chat', chat('m', 'q')));
    expect([answer.status, typeof JSON.parse(answer.text).error]).toEqual([503, 'string']);
    expect((await ask(face, '/api/version')).status).toBe(200);
  });
});

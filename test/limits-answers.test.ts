import { createServer } from 'node:http';
import net, { type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { parseObject } from '../src/fleet/answers.ts';
import { fetchJson, fetchSmall } from '../src/ollama/client.ts';
import { parseJson, TooDeep } from '../src/ollama/parse-json.ts';
import { PLAIN } from '../src/security/dial.ts';
import { PathAgent } from '../src/security/path-agent.ts';
import { startBefore } from './_cluster.ts';
import { listenOn, startUpstream } from './_cluster-upstream.ts';
import { Limits } from './_peer.ts';
import { ask, chat } from './_simulate-client.ts';

/** A server that says `piece` for as long as somebody listens, whatever it is asked. */
function endless(piece: string, first = '') {
  return listenOn(
    net.createServer((socket: Socket) => {
      const more = () => {
        while (socket.writable && socket.write(piece.repeat(500)));
      };
      socket.on('error', () => {}).on('drain', more);
      socket.once('data', () => {
        socket.write(first);
        more();
      });
    }) as never,
  );
}

async function askEndless(piece: string, first?: string) {
  const limits = new Limits();
  const agent = new PathAgent({ keepAlive: false }, { ...PLAIN, onLimit: limits.on });
  await using server = await endless(piece, first);
  const options = { clock: systemClock, connectTimeoutMs: 1000, timeoutMs: 4000, agent };
  const error = await fetchSmall(server.url, options).catch((thrown: Error) => thrown);
  agent.destroy();
  return { limits, message: error instanceof Error ? error.message : 'an answer' };
}

describe('a server', () => {
  it('that gives interim answers without end is left', async () => {
    const { limits, message } = await askEndless('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
    expect(message).toContain('over 64 interim answers');
    expect(limits.events).toEqual([{ type: 'limit-reached', limit: 'answer-interim', peer: '127.0.0.1' }]);
  });

  it('whose header has no end is left', async () => {
    const { limits, message } = await askEndless('a: b\r\n', 'HTTP/1.1 200 OK\r\n');
    expect(message).toContain('Header overflow');
    expect(limits.events).toEqual([{ type: 'limit-reached', limit: 'answer-header', peer: '127.0.0.1' }]);
  });

  it('that gives two interim answers is heard', async () => {
    await using server = await startUpstream((_, response) => {
      response.writeEarlyHints({ link: '</a>' });
      response.writeProcessing();
      response.end('{"done":true}');
    });
    await using before = await startBefore([server.url]);
    expect((await ask(before, '/api/chat', chat('m', 'x', { stream: false }))).status).toBe(200);
  });

  it.each(['[', '{"a":'])(
    'whose list is %s and nothing else, for megabytes, is said to be that',
    async (piece) => {
      const deep = Buffer.from(piece.repeat(3_000_000));
      await using server = await startUpstream((_, response) => void response.end(deep));
      const options = { clock: systemClock, connectTimeoutMs: 1000, timeoutMs: 5000 };
      await expect(fetchJson(`${server.url}/list`, options)).rejects.toThrow('did not answer JSON');
      expect(parseObject(deep)).toBeUndefined();
      expect(() => parseJson(deep.toString())).toThrow(TooDeep);
    },
  );

  it('whose rows are nested a thousand deep breaks no list', async () => {
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    const list = `{"models":[{"name":"deep:latest","model":"deep:latest","digest":"0","details":${deep}}]}`;
    await using hostile = await listenOn(
      createServer((request, response) => {
        const text = request.url === '/api/version' ? '{"version":"0.17.4"}' : list;
        if (request.url?.startsWith('/ollana/'))
          return void response.writeHead(404).end('404 page not found');
        response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8' }).end(text);
      }),
    );
    await using honest = await startUpstream(() => {});
    await using before = await startBefore([honest.url]);
    await fetch(`${before.url}/add_server`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ url: hostile.url }),
    });
    const tags = await ask(before, '/api/tags');
    expect([tags.status, JSON.parse(tags.text).models.length]).toEqual([200, 1]);
  });
});

describe('JSON of others', () => {
  it('is told to be too deep by brackets that are none of a text', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(parseJson(nested(64))).toBeDefined();
    expect(() => parseJson(nested(65))).toThrow(TooDeep);
    expect(parseJson(JSON.stringify(['[['.repeat(100), '\\"{{{', '{'.repeat(100)]))).toHaveLength(3);
    expect(() => parseJson(`["\\"",${nested(64)}]`)).toThrow(TooDeep);
    expect(() => parseJson(`["${'['.repeat(100)}`)).toThrow(SyntaxError);
  });

  it('that a program sends is refused with 400 when it is too deep', async () => {
    await using before = await startBefore([]);
    const refused = await fetch(`${before.url}/add_server`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: `{"url":${'['.repeat(5000)}${']'.repeat(5000)}}`,
    });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('nested over 64 deep');
    expect(before.log.said('a limit was reached, and somebody refused')).toEqual([
      { limit: 'json-depth', peer: '127.0.0.1' },
    ]);
  });
});

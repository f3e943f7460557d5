import { createServer, type ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { PLAIN } from '../src/security/dial.ts';
import { PathAgent } from '../src/security/path-agent.ts';
import { NotGiven, readPart } from '../src/server/copy-source.ts';
import { listenOn } from './_cluster-upstream.ts';
import { next, until } from './_deadline.ts';
import { steppedClock } from './_simulate-client.ts';

const SIZE = 10_000_000;
const PART = { digest: `sha256:${'0'.repeat(64)}`, size: SIZE, mediaType: 'x' };

/** A neighbour that answers with `handle`, and one who reads a file of it on a clock that is driven by hand. */
async function start(handle: (response: ServerResponse) => void, from = 0) {
  const server = createServer((_, response) => handle(response));
  const listening = await listenOn(server);
  const clock = steppedClock();
  const agent = new PathAgent({ keepAlive: false }, PLAIN);
  const neighbour = { name: 'attic', url: listening.url, model: 'm', digest: '' };
  const { signal } = new AbortController();
  const bytes = readPart(neighbour, PART, from, { clock, agent, connectTimeoutMs: 2000, signal });
  return { server, listening, clock, bytes };
}

describe('a neighbour', () => {
  it('that gives a few bytes now and then is given up', async () => {
    let write: (bytes: Buffer) => void = () => {};
    const it = await start((response) => {
      response.writeHead(200, { 'content-length': String(SIZE) });
      write = (bytes) => void response.write(bytes);
      write(Buffer.alloc(100));
    });
    await using _ = it.listening;
    expect((await it.bytes.next()).value).toHaveLength(100);
    const end = it.bytes.next().then(
      ({ value }) => value,
      (error: Error) => error,
    );
    for (let s = 0; s < 31; s += 1) it.clock.advance(1000);
    expect(await end).toMatchObject({ message: 'only 100 bytes came in 30 s' });
  });

  it('is not blamed for the time in which nobody takes what it gives', async () => {
    const it = await start((response) => {
      response.writeHead(200, { 'content-length': String(SIZE) });
      response.write(Buffer.alloc(100));
      response.end(Buffer.alloc(SIZE - 100));
    });
    await using _ = it.listening;
    let count = (await it.bytes.next()).value?.length ?? 0;
    for (let s = 0; s < 120; s += 1) it.clock.advance(1000);
    for await (const chunk of it.bytes) count += chunk.length;
    expect(count).toBe(SIZE);
  });

  it.each([
    ['another size', 0, 200, { 'content-length': '5' }, 'it has the file in another size'],
    ['all instead of the rest', 10, 200, { 'content-length': String(SIZE) }, 'it answered 200'],
    [
      'other bytes than the rest',
      10,
      206,
      { 'content-length': String(SIZE - 10), 'content-range': `bytes 0-${SIZE - 11}/${SIZE}` },
      'it gives other bytes than it was asked for',
    ],
    ['no length', 0, 200, {}, 'it has the file in another size'],
    ['words', 0, 404, {}, 'it answered 404'],
  ])('that gives %s is not asked again', async (_, from, status, headers, message) => {
    const it = await start((response) => {
      response.writeHead(status, headers);
      response.end(status === 404 ? undefined : 'bytes');
    }, from);
    await using listening = it.listening;
    const error = await it.bytes.next().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NotGiven);
    expect(error).toMatchObject({ message });
    await until(5000, 'its connection to be closed', () => listening.sockets.size === 0);
  });

  it('is left at once when it is not read to the end', async () => {
    const it = await start((response) => {
      response.writeHead(200, { 'content-length': String(SIZE) });
      response.write(Buffer.alloc(100));
    });
    await using listening = it.listening;
    await it.bytes.next();
    const [socket] = listening.sockets;
    const closed = next(socket!, 'close', 5000);
    await it.bytes.return();
    await closed;
  });
});

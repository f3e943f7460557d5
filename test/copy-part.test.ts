import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { PLAIN } from '../src/security/dial.ts';
import { PathAgent } from '../src/security/path-agent.ts';
import { copyPart } from '../src/server/copy-part.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { sha256 } from './_lan-models.ts';
import { steppedClock } from './_simulate-client.ts';

const BYTES = randomBytes(20 * 1024 * 1024);
const PART = { digest: `sha256:${sha256(BYTES)}`, size: BYTES.length, mediaType: 'x' };

/** What a neighbour does when it is asked for the bytes from `at` on. */
type Turn = (response: ServerResponse, at: number) => void;

const gives: Turn = (response, at) => {
  const headers = { 'content-length': String(BYTES.length - at) };
  const range = { 'content-range': `bytes ${at}-${BYTES.length - 1}/${BYTES.length}` };
  response.writeHead(at === 0 ? 200 : 206, at === 0 ? headers : { ...headers, ...range });
  response.end(BYTES.subarray(at));
};
/** Breaks off when so many bytes of the file have left it. */
const breaksAt =
  (end: number): Turn =>
  (response, at) => {
    response.writeHead(200, { 'content-length': String(BYTES.length - at) });
    response.write(BYTES.subarray(at, end), () => response.destroy());
  };
const dies: Turn = (response) => void response.destroy();
const hasNone: Turn = (response) => void response.writeHead(404).end();

/** Copies from a neighbour that does one thing after the other, the last one from then on; time goes by itself. */
async function copyFrom(...turns: readonly Turn[]) {
  const asked: number[] = [];
  const neighbour = await listenOn(
    createServer(({ headers }: IncomingMessage, response) => {
      const at = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
      asked.push(at);
      (turns[asked.length - 1] ?? turns.at(-1))?.(response, at);
    }),
  );
  await using _ = neighbour;
  const clock = steppedClock();
  await using ollama = await startSimulatedOllama({ models: [] });
  let end: string | undefined;
  const copied = copyPart(PART, {
    clock,
    agent: new PathAgent({ keepAlive: false }, PLAIN),
    connectTimeoutMs: 60_000,
    signal: new AbortController().signal,
    ollama: ollama.url,
    neighbours: [{ name: 'attic', url: neighbour.url, model: 'm', digest: '' }],
    onBytes: () => {},
  });
  copied.then(
    () => {
      end = 'whole';
    },
    (error: Error) => {
      end = error.message;
    },
  );
  const said = await until(15_000, 'an end of the copy', () => {
    clock.advance(250);
    return end;
  });
  const { abortedAt, bodySha256 } = ollama.seen.find(({ path }) => path.startsWith('/api/blobs/')) ?? {};
  return {
    said,
    asked,
    taken: abortedAt === undefined ? `sha256:${bodySha256}` : undefined,
    ms: clock.now(),
  };
}

describe('a file of which a neighbour has given much', { timeout: 30_000 }, () => {
  const MUCH = 18 * 1024 * 1024;

  it('is gone on with when the neighbour was away for half a minute', async () => {
    const { said, asked, taken } = await copyFrom(breaksAt(MUCH), dies, dies, dies, dies, dies, dies, gives);
    expect([said, taken]).toEqual(['whole', PART.digest]);
    expect(asked[0]).toBe(0);
    expect(Math.min(...asked.slice(1))).toBeGreaterThan(MUCH / 2);
    expect(asked).toHaveLength(8);
  });

  it('is gone on with when the neighbour was started again, and did not know its files at first', async () => {
    const { said, asked, taken } = await copyFrom(breaksAt(MUCH), hasNone, hasNone, gives);
    expect([said, taken]).toEqual(['whole', PART.digest]);
    expect(asked).toHaveLength(4);
  });

  it('is given up when the neighbour does not come back', async () => {
    const { said, asked, taken } = await copyFrom(breaksAt(MUCH), dies);
    expect(said).toMatch(/^sha256:\w+ is not to be had, attic: /);
    expect(taken).toBeUndefined();
    expect(asked).toHaveLength(8);
  });
});

describe('a file of which a neighbour has given little', () => {
  it('is given up soon, as not much is lost', async () => {
    const { said, asked } = await copyFrom(breaksAt(1000), dies);
    expect(said).toMatch(/is not to be had/);
    expect(asked).toHaveLength(4);
  });

  it('is not asked for again where it has none at all', async () => {
    const { said, asked } = await copyFrom(hasNone);
    expect(said).toBe(`${PART.digest} is not to be had, attic: it answered 404`);
    expect(asked).toEqual([0]);
  });
});

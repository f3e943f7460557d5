import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { SimulatedOllama } from '../src/simulate/ollama.ts';
import type { SeenRequest } from '../src/simulate/seen.ts';
import { startBefore, startCluster, TOPOLOGIES } from './_cluster.ts';
import { startUpstream } from './_cluster-upstream.ts';
import { until, within } from './_deadline.ts';
import { ask } from './_simulate-client.ts';

const MIB = 1 << 20;
const pathOf = (bytes: string) => `/api/blobs/sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A connection of its own, on which an upload to `path` has begun; what has come back is kept. */
function begin(url: string, path: string, framing: string) {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true });
  const talk = { socket, heard: '', error: undefined as Error | undefined, closed: false };
  socket.on('error', (error) => {
    talk.error = error;
  });
  socket.once('close', () => {
    talk.closed = true;
  });
  socket.setEncoding('latin1').on('data', (text: string) => {
    talk.heard += text;
  });
  socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n`);
  return talk;
}

/** The uploads at an Ollama from their beginning on; they are noted as seen at their end only. */
function uploadsAt(ollama: SimulatedOllama): readonly SeenRequest[] {
  const begun: SeenRequest[] = [];
  const match = (one: SeenRequest) => {
    if (one.method === 'POST' && one.path.startsWith('/api/blobs/')) begun.push(one);
    return false;
  };
  ollama.faults.set({ kind: 'hang' }, { match });
  return begun;
}

const PART = 'the first part of a file '.repeat(10_000);
const FRAMINGS = [
  { where: 'before its length', framing: `Content-Length: ${PART.length + 1}`, sent: PART },
  {
    where: 'after a chunk',
    framing: 'Transfer-Encoding: chunked',
    sent: `${PART.length.toString(16)}\r\n${PART}\r\n`,
  },
  {
    where: 'within a chunk',
    framing: 'Transfer-Encoding: chunked',
    sent: `${(PART.length + 1).toString(16)}\r\n${PART}`,
  },
];
const ENDINGS: readonly { how: string; end: (socket: Socket) => void }[] = [
  { how: 'by closing', end: (socket) => socket.destroy() },
  { how: 'by a reset', end: (socket) => socket.resetAndDestroy() },
  { how: 'by closing one side', end: (socket) => socket.end() },
];
const CUTS = FRAMINGS.flatMap((framing) => ENDINGS.map((ending) => ({ ...framing, ...ending })));

describe.each(TOPOLOGIES)('an upload ($path)', ({ serve }) => {
  // The digest is that of what is sent: whoever takes the part for the whole finds nothing wrong with it.
  const path = pathOf(PART);

  it.each(CUTS)('that ends $where $how is cut at the server too, and nothing is stored', async (row) => {
    await using cluster = await startCluster({ serve });
    const uploads = uploadsAt(cluster.ollamas[0]!);
    const talk = begin(cluster.url, path, row.framing);
    talk.socket.write(row.sent);
    await until(5000, 'all of it to arrive', () => uploads[0]?.bodyBytes === PART.length, 2);
    row.end(talk.socket);
    await until(2000, 'the cut at the server', () => uploads[0]?.abortedAt !== undefined, 2);
    await until(2000, 'the connection to be closed', () => talk.closed, 2);
    for (const daemon of [cluster.client, ...cluster.servers])
      await until(2000, 'nothing in flight', () => daemon.status().inFlight === 0, 2);
    // Who still listens is told.
    expect(talk.heard).toMatch(row.how === 'by closing one side' ? /^HTTP\/1\.1 400 / : /^$/);
    expect(await ask(cluster, path, undefined, { method: 'HEAD' })).toMatchObject({ status: 404 });
    expect(uploads).toHaveLength(1);
    expect(cluster.view(0)).toMatchObject({ verdict: 'reliable', inFlight: 0 });
    expect(cluster.log.said('attempt failed')).toEqual([]);
    expect(await ask(cluster, path, PART)).toMatchObject({ status: 201 });
  });
});

const BLOCKS = 256;
const BLOCK = Buffer.alloc(MIB);
const WHOLES = [
  { framing: `Content-Length: ${BLOCKS * MIB}`, block: BLOCK, last: '' },
  {
    framing: 'Transfer-Encoding: chunked',
    block: Buffer.concat([Buffer.from(`${MIB.toString(16)}\r\n`), BLOCK, Buffer.from('\r\n')]),
    last: '0\r\n\r\n',
  },
];

describe.each(TOPOLOGIES)('a blob of 256 MB that is there already ($path)', ({ serve }) => {
  it.each(WHOLES)('is answered before it has come, and is not kept: $framing', async (row) => {
    await using cluster = await startCluster({ serve });
    const [ollama] = cluster.ollamas;
    const path = pathOf('x');
    expect(await ask(cluster, path, 'x')).toMatchObject({ status: 201 });
    // Until it answers nothing is read there, so all that is sent meanwhile is kept somewhere on the way.
    ollama!.faults.set({ kind: 'slow-all', ms: 300 }, { match: (one) => one.path === path });
    const before = process.memoryUsage().arrayBuffers;
    const talk = begin(cluster.url, path, row.framing);
    let sentBefore = 0;
    let grown = 0;
    const sendAll = async () => {
      for (let i = 0; i < BLOCKS && !talk.closed; i += 1) {
        await new Promise((resolve) => talk.socket.write(row.block, resolve));
        if (talk.heard === '') sentBefore += 1;
        grown = Math.max(grown, process.memoryUsage().arrayBuffers - before);
      }
      talk.socket.write(row.last);
    };
    await within(15_000, 'all to be sent', sendAll());
    await until(2000, 'the answer', () => talk.heard !== '', 2);
    expect(talk.heard).toMatch(/^HTTP\/1\.1 200 /);
    expect(talk).toMatchObject({ error: undefined, closed: false });
    expect(sentBefore).toBeLessThan(BLOCKS / 4);
    expect(grown).toBeLessThan((BLOCKS / 2) * MIB);
    expect(cluster.view(0)).toMatchObject({ verdict: 'reliable' });
    talk.socket.destroy();
  });
});

it('an upload that was answered before its end leaves no connection to the server open', async () => {
  const path = pathOf('x');
  await using upstream = await startUpstream((_, response) => void response.end());
  await using before = await startBefore([upstream.url]);
  const talk = begin(before.url, path, `Content-Length: ${MIB}`);
  talk.socket.write(BLOCK.subarray(1));
  await until(2000, 'the answer', () => talk.heard.startsWith('HTTP/1.1 200 '), 2);
  await until(2000, 'the connection to the server to be closed', () => upstream.sockets.size === 0, 2);
  talk.socket.destroy();
});

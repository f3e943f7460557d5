import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { fetchSmall } from '../src/ollama/client.ts';
import { loadIdentity } from '../src/security/identity.ts';
import { next, until } from './_deadline.ts';
import {
  keepModel,
  type LanServer,
  type Machines,
  sha256,
  startMachines,
  startPair,
  untilKnown,
} from './_lan-models.ts';
import { agentAs, allow, noOutside } from './_paired.ts';
import { ask, linesOf, send } from './_simulate-client.ts';
import { skipBecause } from './_skip.ts';

interface Line {
  readonly status?: string;
  readonly error?: string;
  readonly digest?: string;
  readonly total?: number;
  readonly completed?: number;
  readonly from?: string;
}

const pull = (server: LanServer, model = 'm', more: object = {}) =>
  ask(server.daemon, '/api/pull', { model, ...more });
const saidIn = (text: string) => (linesOf(text) as Line[]).map(({ status, error }) => error ?? status ?? '');
/** Blobs that an Ollama took, by digest, with the SHA-256 of what came. */
const taken = ({ ollama }: LanServer) =>
  ollama.seen
    .filter(({ method, path }) => method === 'POST' && path.startsWith('/api/blobs/'))
    .filter(
      ({ abortedAt, bodyBytes, headers }) =>
        abortedAt === undefined && bodyBytes === Number(headers['content-length']),
    )
    .map(({ path, bodySha256 }) => [path.slice('/api/blobs/'.length), `sha256:${bodySha256}`]);
const pulls = ({ ollama }: LanServer) => ollama.seen.filter(({ path }) => path === '/api/pull').length;

skipBecause(noOutside);

describe('a pull of a model that a paired server has', () => {
  it('copies its files, then has Ollama ask its registry, which finds them there', async () => {
    await using pair = await startPair();
    const { model, gpu } = pair;
    const answer = await pull(gpu);
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/x-ndjson']);
    expect(answer.headers).toMatchObject({
      'x-ollana-server': 'gpu',
      'x-ollana-reason': 'copied from attic',
    });
    const lines = linesOf(answer.text) as Line[];
    const said = saidIn(answer.text);
    expect(said[0]).toBe('copying from attic (LAN)');
    const hex = model.weightsDigest.slice(7, 19);
    expect(lines).toContainEqual({
      status: `copying ${hex} from attic (LAN)`,
      digest: model.weightsDigest,
      total: model.weights.length,
      completed: model.weights.length,
      from: 'attic',
    });
    expect(said).toContainEqual(
      expect.stringMatching(/^copied from attic \(LAN\): 3\.0 MB in [\d.]+ s, [\d.]+ MB\/s$/),
    );
    expect(said.slice(-2)).toEqual(['writing manifest', 'success']);
    expect(taken(gpu)).toEqual(model.digests.map((digest) => [digest, digest]));
    const order = gpu.ollama.seen
      .filter(({ method }) => method === 'POST')
      .map(({ path }) => path.split('/')[2]);
    expect(order).toEqual(['blobs', 'blobs', 'blobs', 'blobs', 'pull']);
    await until(5000, 'it to be listed', async () =>
      (await ask(gpu.daemon, '/api/tags')).text.includes('"m:latest"'),
    );
    // What is here already is nobody's to bring.
    expect(saidIn((await pull(gpu)).text)[0]).toBe('pulling manifest');
  });

  it('gives one line, and no stream, to who asks for that', async () => {
    await using pair = await startPair();
    const { gpu } = pair;
    const answer = await pull(gpu, 'm', { stream: false });
    expect([answer.status, answer.text]).toEqual([200, '{"status":"success"}']);
    expect(taken(gpu)).toHaveLength(4);
  });

  it('makes it of the files where no registry has it, and says that its digest is another', async () => {
    await using pair = await startPair({ ollama: { registry: [] } });
    const { model, gpu } = pair;
    const said = saidIn((await pull(gpu)).text);
    expect(said).toContain('the registry does not know it: taking it as attic has it');
    expect(said.slice(-2)).toEqual([
      expect.stringMatching(/^installed as attic has it, with another digest/),
      'success',
    ]);
    const [create] = gpu.ollama.seen.filter(({ path }) => path === '/api/create');
    expect(JSON.parse(create!.body!.toString())).toEqual({
      model: 'm:latest',
      stream: false,
      files: { 'part-0.gguf': model.weightsDigest },
      template: '{{ .Prompt }}',
      parameters: { stop: ['<end>'], temperature: 0 },
    });
  });

  it('goes on where a connection broke, again and again', async () => {
    const breaksAt = [5_000_000, 3_000_000, 1_000_000];
    await using pair = await startPair({ weights: Buffer.alloc(24_000_000, 'weights'), breaksAt });
    const { model, gpu, wire } = pair;
    expect(saidIn((await pull(gpu)).text).at(-1)).toBe('success');
    expect(wire?.breaks()).toBe(3);
    expect(taken(gpu)).toContainEqual([model.weightsDigest, model.weightsDigest]);
    // All of it once, and what was on its way when the wire broke.
    expect(wire?.bytes()).toBeLessThan(32_000_000);
  });

  it('waits for the copy of the same model that runs already', async () => {
    await using pair = await startPair({ weights: Buffer.alloc(40_000_000, 'weights') });
    const { gpu } = pair;
    const answers = await Promise.all([pull(gpu), pull(gpu), pull(gpu)]);
    const said = answers.map(({ text }) => saidIn(text));
    expect(said.map((lines) => lines.at(-1))).toEqual(['success', 'success', 'success']);
    expect(said.filter((lines) => lines.includes('all of its files are here already'))).toHaveLength(2);
    expect(taken(gpu)).toHaveLength(4);
  });

  it('ends when its client leaves', async () => {
    await using pair = await startPair({ weights: Buffer.alloc(80_000_000, 'weights') });
    const { gpu } = pair;
    const sent = send(gpu.daemon, '/api/pull', { model: 'm' });
    const answer = await next<IncomingMessage>(sent.request, 'response', 5000);
    let text = '';
    answer.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    await until(5000, 'some of it to be here', () => text.includes('"completed"'), 1);
    sent.request.destroy();
    await gpu.ollama.onceAborted(({ path }) => path.startsWith('/api/blobs/'));
    expect(pulls(gpu)).toBe(0);
  });
});

describe('a file with one bit flipped', () => {
  const flip = (file: string) => {
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(file, bytes);
  };

  it('is refused, with the name of whoever sent it and the digest, and the internet is asked', async () => {
    await using pair = await startPair();
    const { model, gpu } = pair;
    flip(model.weightsFile);
    const said = saidIn((await pull(gpu)).text);
    expect(said).toContain(
      `what attic sent as ${model.weightsDigest} is something else (its SHA-256 differs): it was refused; going on from the internet`,
    );
    expect(said.at(-1)).toBe('success');
    expect(taken(gpu)).toEqual([]);
    expect(pulls(gpu)).toBe(1);
  });

  it('is copied from the next neighbour instead', async () => {
    await using lan = startMachines();
    await lan.pair('attic', 'cellar', 'gpu');
    const model = keepModel(lan.dir('attic'), 'm');
    keepModel(lan.dir('cellar'), 'm', model.weights);
    flip(model.weightsFile);
    const held = { models: [{ name: 'm', digest: model.digest }] };
    // The newest is asked first.
    const cellar = await lan.serve('cellar', {}, held);
    const attic = await lan.serve('attic', {}, held);
    const gpu = await lan.serve('gpu', { servers: [`${attic.outside}=attic`, `${cellar.outside}=cellar`] });
    await untilKnown(gpu, 'm', 2);
    const lines = linesOf((await pull(gpu)).text) as Line[];
    expect(lines.map(({ status }) => status)).toContain(
      `what attic sent as ${model.weightsDigest} is something else (its SHA-256 differs): it was refused`,
    );
    expect(lines.at(-1)).toEqual({ status: 'success' });
    expect(lines.findLast(({ digest }) => digest === model.weightsDigest)?.from).toBe('cellar');
    expect(taken(gpu)).toContainEqual([model.weightsDigest, model.weightsDigest]);
    expect(sha256(model.weights)).toBe(model.weightsDigest.slice(7));
  });
});

describe('a pull goes to the internet as ever', () => {
  it('where nobody need be paired', async () => {
    await using pair = await startPair({ paired: undefined });
    const { gpu } = pair;
    expect(saidIn((await pull(gpu)).text)[0]).toBe('pulling manifest');
    expect(taken(gpu)).toEqual([]);
  });

  it.each([
    ['the neighbour cannot read its files', (): void => {}],
    [
      'its manifest is not the one that it lists',
      (dir: string) => void keepModel(dir, 'm', Buffer.from('other')),
    ],
  ])('where %s', async (_, prepare) => {
    await using lan = startMachines();
    await lan.pair('attic', 'gpu');
    prepare(lan.dir('attic'));
    const attic = await lan.serve('attic', {}, { models: [{ name: 'm' }] });
    const gpu = await lan.serve('gpu', { servers: [`${attic.outside}=attic`] });
    await untilKnown(gpu, 'm');
    const said = saidIn((await pull(gpu)).text);
    expect([said[0], said.at(-1)]).toEqual(['pulling manifest', 'success']);
    expect(gpu.log.said('copying a model from a server')[0]).toMatchObject({
      status: expect.stringMatching(/^not from attic: /),
    });
  });

  it('where it says more than which model', async () => {
    await using pair = await startPair();
    const { gpu } = pair;
    expect(saidIn((await pull(gpu, 'm', { insecure: true })).text)[0]).toBe('pulling manifest');
    expect(taken(gpu)).toEqual([]);
  });
});

describe('another machine', () => {
  const pullAs = (lan: Machines, gpu: LanServer) =>
    fetchSmall(`${gpu.outside}/api/pull`, {
      clock: systemClock,
      connectTimeoutMs: 2000,
      timeoutMs: 10_000,
      agent: agentAs(loadIdentity(lan.dataDir('laptop'))),
      method: 'POST',
      body: Buffer.from('{"model":"m"}'),
    });

  /** As `pullAs`, once it may. */
  const pullAsManager = async (lan: Machines, gpu: LanServer) => {
    await allow(lan.dataDir('gpu'), lan.id('laptop'), 'laptop', true);
    return until(2000, 'the right to count', async () => {
      const answer = await pullAs(lan, gpu);
      return answer.status !== 403 && answer;
    });
  };

  it('has a model copied if it may manage models there, and not if it may not', async () => {
    await using pair = await startPair({ paired: ['laptop'] });
    const { lan, gpu } = pair;
    expect((await pullAs(lan, gpu)).status).toBe(403);
    expect(taken(gpu)).toEqual([]);
    const answer = await pullAsManager(lan, gpu);
    expect(answer.headers).toMatchObject({ 'x-ollana-reason': 'copied from attic' });
    expect(saidIn(answer.body.toString()).at(-1)).toBe('success');
    expect(taken(gpu)).toHaveLength(4);
  });

  it('is told before anything is copied that there is no room', async () => {
    await using pair = await startPair({ paired: ['laptop'], size: 15e12 });
    const { lan, gpu } = pair;
    const answer = await pullAsManager(lan, gpu);
    expect([answer.status, answer.headers['x-ollana-error']]).toEqual([507, 'OLLANA_DISK_FULL']);
    expect(answer.body.toString()).toMatch(
      /m:latest takes 15000\.0 GB, and [\d.]+ GB are free where gpu keeps its models, of which 10\.0 GB stay free for its owner/,
    );
    expect([taken(gpu), pulls(gpu)]).toEqual([[], 0]);
  });
});

describe('a full disk', () => {
  it('ends the pull, with what to do', async () => {
    await using pair = await startPair();
    const { gpu } = pair;
    gpu.ollama.faults.set(
      { kind: 'status', status: 500, body: { error: 'write /m/blobs/sha256-1: no space left on device' } },
      { match: ({ method, path }) => method === 'POST' && path.startsWith('/api/blobs/') },
    );
    expect(saidIn((await pull(gpu)).text).at(-1)).toMatch(
      /^the disk is full where Ollama keeps its models .*no space left.*`ollana rm MODEL`$/,
    );
    expect(pulls(gpu)).toBe(0);
  });
});

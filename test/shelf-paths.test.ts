import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { type Fetched, fetchSmall } from '../src/ollama/client.ts';
import { isDigest, readManifest } from '../src/ollama/manifest.ts';
import { blobFile, manifestPath } from '../src/ollama/model-path.ts';
import { changeDevices, rightsFor } from '../src/security/allow-list.ts';
import { loadIdentity, passingIdentity } from '../src/security/identity.ts';
import { readRange } from '../src/server/shelf-wire.ts';
import { next, until } from './_deadline.ts';
import { type KeptModel, keepModel, type LanServer, type Machines, startMachines } from './_lan-models.ts';
import { agentAs, allow, disable, noOutside } from './_paired.ts';
import { ask } from './_simulate-client.ts';
import { skipBecause } from './_skip.ts';

const LIMITS = { clock: systemClock, connectTimeoutMs: 2000, timeoutMs: 10_000 };
const MANIFESTS = '/ollana/api/manifests';
const BLOBS = '/ollana/api/blobs';

interface Lender {
  readonly attic: LanServer;
  readonly model: KeptModel;
  /** What `laptop`, which is paired, gets. */
  get(path: string, headers?: Record<string, string>, method?: string): Promise<Fetched>;
}

async function startLender(lan: Machines): Promise<Lender> {
  await lan.pair('attic', 'laptop');
  const model = keepModel(lan.dir('attic'), 'm');
  const attic = await lan.serve('attic', {}, { models: [{ name: 'm', digest: model.digest }] });
  const agent = agentAs(loadIdentity(lan.dataDir('laptop')));
  return {
    attic,
    model,
    get: (path, headers = {}, method = 'GET') =>
      fetchSmall(attic.outside + path, { ...LIMITS, agent, headers, method }),
  };
}

describe('a paired device', () => {
  skipBecause(noOutside);

  it('gets the manifest and the files of a model, whole or from an offset on', async () => {
    await using lan = startMachines();
    const { model, get } = await startLender(lan);
    for (const name of ['m', 'm:latest', 'library/m', 'registry.ollama.ai/library/m:latest'])
      expect((await get(`${MANIFESTS}?model=${encodeURIComponent(name)}`)).body).toEqual(model.manifest);
    const path = `${BLOBS}/${model.weightsDigest}`;
    const whole = await get(path);
    expect([whole.status, whole.headers['accept-ranges']]).toEqual([200, 'bytes']);
    expect(whole.body.equals(model.weights)).toBe(true);
    const rest = await get(path, { range: 'bytes=2999990-' });
    expect([rest.status, rest.headers['content-range']]).toEqual([206, 'bytes 2999990-2999999/3000000']);
    expect(rest.body).toEqual(model.weights.subarray(2_999_990));
    const none = await get(path, { range: 'bytes=3000000-' });
    expect([none.status, none.headers['content-range'], none.body.length]).toEqual([
      416,
      'bytes */3000000',
      0,
    ]);
    const head = await get(path, {}, 'HEAD');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '3000000', 0]);
    expect((await get(path, {}, 'POST')).status).toBe(405);
    expect((await get(`${BLOBS}/sha256:${'0'.repeat(64)}`)).status).toBe(404);
  });

  it.each([
    '../../secret',
    '../secret:latest',
    '../../../../../../etc/passwd',
    'a/../../secret',
    '../library/m',
    '..%2f..%2fsecret',
    '/etc/passwd',
    'registry.ollama.ai/library/../../../secret',
    'a/b/c/d/e',
    'm:../../../../secret',
    'm:latest:x',
    '.m',
    'm\0',
    'm\\..\\secret',
    'C:\\secret',
    `${'x'.repeat(81)}`,
    '',
  ])('names no file outside of the folder: model %j', async (name) => {
    await using lan = startMachines();
    const { get } = await startLender(lan);
    writeFileSync(join(lan.dir('attic'), 'secret'), 'THE SECRET');
    writeFileSync(join(lan.dir('attic'), '..', 'secret'), 'THE SECRET');
    const answer = await get(`${MANIFESTS}?model=${encodeURIComponent(name)}`);
    expect([answer.status, answer.body.toString()]).toEqual([404, expect.not.stringContaining('SECRET')]);
    expect(manifestPath(name)).toBeUndefined();
  });

  it.each(['..%2f..%2fsecret', '../secret', 'sha256-../secret', 'sha256:..', 'sha256:secret', 'secret', ''])(
    'names no file but by a digest: %j',
    async (name) => {
      await using lan = startMachines();
      const { attic, get } = await startLender(lan);
      writeFileSync(join(lan.dir('attic'), 'secret'), 'THE SECRET');
      writeFileSync(join(lan.dir('attic'), 'blobs', 'secret'), 'THE SECRET');
      const answer = await get(`${BLOBS}/${name}`);
      expect([400, 404]).toContain(answer.status);
      expect(answer.body.toString()).not.toContain('SECRET');
      expect(attic.daemon.status().ollama?.up).toBe(true);
    },
  );

  it('gets no folder, and none of a file that is too large to be a manifest', async () => {
    await using lan = startMachines();
    const { get } = await startLender(lan);
    const digest = `sha256:${'a'.repeat(64)}`;
    mkdirSync(blobFile(lan.dir('attic'), digest)!);
    expect((await get(`${BLOBS}/${digest}`)).status).toBe(404);
    const large = join(lan.dir('attic'), ...manifestPath('large')!);
    mkdirSync(join(large, '..'), { recursive: true });
    writeFileSync(large, '');
    truncateSync(large, 5 * 1024 * 1024);
    expect((await get(`${MANIFESTS}?model=large`)).status).toBe(404);
    // Who keeps models elsewhere has links to them.
    symlinkSync(blobFile(lan.dir('attic'), digest)!, blobFile(lan.dir('attic'), `sha256:${'b'.repeat(64)}`)!);
    expect((await get(`${BLOBS}/sha256:${'b'.repeat(64)}`)).status).toBe(404);
  });

  it('has four streams at once, and is told when it wants more', async () => {
    await using lan = startMachines();
    const { attic, get } = await startLender(lan);
    const digest = `sha256:${'c'.repeat(64)}`;
    const file = blobFile(lan.dir('attic'), digest)!;
    writeFileSync(file, '');
    truncateSync(file, 200_000_000);
    const agent = agentAs(loadIdentity(lan.dataDir('laptop')));
    const held = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const request = http.request(`${attic.outside}${BLOBS}/${digest}`, { agent });
        request.on('error', () => {});
        const answered = next<http.IncomingMessage>(request, 'response', 5000);
        request.end();
        return (await answered).on('error', () => {});
      }),
    );
    const fifth = await get(`${BLOBS}/${digest}`, { range: 'bytes=0-9' });
    expect([fifth.status, fifth.headers['x-ollana-error'], fifth.headers['retry-after']]).toEqual([
      503,
      'OLLANA_TOO_MANY',
      '30',
    ]);
    expect(fifth.body.toString()).toMatch(/4 of the device that asks/);
    held[0]?.destroy();
    await until(5000, 'a stream to be free', async () => {
      return (await get(`${BLOBS}/${digest}`, { range: 'bytes=0-9' })).status === 206;
    });
    for (const answer of held) answer.destroy();
  });
});

describe('whoever is not paired gets 403 and not a byte', () => {
  skipBecause(noOutside);

  it.each(['paired devices are let in only', 'all are let in'] as const)('where %s', async (who) => {
    await using lan = startMachines();
    const { attic, model } = await startLender(lan);
    if (who === 'all are let in') {
      const open = await lan.serve('open', { requirePairing: false });
      keepModel(lan.dir('open'), 'm', model.weights);
      await expectNothing(open, model);
    } else await expectNothing(attic, model);
  });

  async function expectNothing({ outside, daemon }: LanServer, model: KeptModel): Promise<void> {
    for (const path of [`${MANIFESTS}?model=m`, `${BLOBS}/${model.weightsDigest}`]) {
      const agent = agentAs(passingIdentity());
      const stranger = await fetchSmall(outside + path, { ...LIMITS, agent });
      const clear = await ask({ url: outside }, path);
      // A program of this machine has shown no key either.
      const local = await ask(daemon, path);
      for (const answer of [stranger, clear, local]) {
        const text = 'body' in answer ? answer.body.toString() : answer.text;
        expect([path, answer.status, answer.headers['x-ollana-error']]).toEqual([
          path,
          403,
          'OLLANA_NOT_PAIRED',
        ]);
        expect(JSON.parse(text)).toEqual({ error: expect.stringContaining('`ollana device pair') });
      }
    }
  }

  it('nor does one that may read lists only, or is shut out', async () => {
    await using lan = startMachines();
    const { model, get } = await startLender(lan);
    const path = `${BLOBS}/${model.weightsDigest}`;
    expect((await get(path)).status).toBe(200);
    const readOnly = { id: lan.id('laptop'), name: 'laptop', since: '', rights: rightsFor(false, true) };
    await changeDevices(lan.dataDir('attic'), () => [readOnly]);
    const refused = await until(2000, 'the right to be gone', async () => {
      const answer = await get(path);
      return answer.status === 403 && answer;
    });
    expect(refused.headers['x-ollana-error']).toBe('OLLANA_NOT_ALLOWED');
    expect((await get('/api/tags')).status).toBe(200);
    await allow(lan.dataDir('attic'), lan.id('laptop'), 'laptop');
    await until(2000, 'the right to be back', async () => (await get(path)).status === 200);
    await disable(lan.dataDir('attic'), lan.id('laptop'));
    await until(2000, 'it to be shut out', async () => (await get(path)).status === 403);
  });
});

describe('a manifest', () => {
  const part = { mediaType: 'x', digest: `sha256:${'0'.repeat(64)}`, size: 1 };
  const read = (value: unknown) => () => readManifest(Buffer.from(JSON.stringify(value)));

  it.each([
    ['no JSON', () => readManifest(Buffer.from('{'))],
    ['nothing', read(null)],
    ['no layers', read({ config: part })],
    ['an empty list of layers', read({ config: part, layers: [] })],
    ['no config', read({ layers: [part] })],
    ['another digest', read({ config: part, layers: [{ ...part, digest: 'sha256:../../etc/passwd' }] })],
    [
      'a digest in capitals',
      read({ config: part, layers: [{ ...part, digest: `sha256:${'A'.repeat(64)}` }] }),
    ],
    ['a negative size', read({ config: part, layers: [{ ...part, size: -1 }] })],
    ['a size that is no number', read({ config: part, layers: [{ ...part, size: '1' }] })],
    ['a size beyond all', read({ config: part, layers: [{ ...part, size: 1e15 }] })],
    ['two sizes of one file', read({ config: part, layers: [{ ...part, size: 2 }] })],
    ['too many layers', read({ config: part, layers: Array(10_001).fill(part) })],
    ['too many bytes', () => readManifest(Buffer.alloc(5 * 1024 * 1024, ' '))],
  ])('with %s is refused', (_, readIt) => {
    expect(readIt).toThrow(/^its manifest is not usable: /);
  });

  it('is found by the name of its model', () => {
    expect(manifestPath('Hf.co/User/Model-GGUF:Q4_K_M')).toEqual([
      'manifests',
      'Hf.co',
      'User',
      'Model-GGUF',
      'Q4_K_M',
    ]);
    expect(manifestPath('m')).toEqual(['manifests', 'registry.ollama.ai', 'library', 'm', 'latest']);
    expect([isDigest(part.digest), isDigest(`${part.digest}\n`), isDigest('')]).toEqual([true, false, false]);
  });
});

describe('a range', () => {
  it.each([
    [undefined, { type: 'all' }],
    ['bytes=0-', { type: 'part', from: 0, to: 99 }],
    ['bytes=10-19', { type: 'part', from: 10, to: 19 }],
    ['bytes=10-1000', { type: 'part', from: 10, to: 99 }],
    ['bytes=99-', { type: 'part', from: 99, to: 99 }],
    ['bytes=100-', { type: 'none' }],
    ['bytes=20-10', { type: 'all' }],
    ['bytes=-5', { type: 'all' }],
    ['bytes=0-1,5-6', { type: 'all' }],
    ['lines=0-1', { type: 'all' }],
    [`bytes=${'9'.repeat(16)}-`, { type: 'all' }],
  ])('%s', (header, range) => {
    expect(readRange(header, 100)).toEqual(range);
  });
});

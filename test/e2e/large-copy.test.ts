import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadIdentity } from '../../src/security/identity.ts';
import { CLI, type Daemon, temporaryDirectory } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import { watchMemory } from '../_memory.ts';
import { allow } from '../_paired.ts';
import { skipBecause } from '../_skip.ts';
import { serveOn, untilListed } from '../lan/_fleet.ts';
import { createLab, type Lab } from '../lan/_lab.ts';
import { writeLargeGguf } from './_large-gguf.ts';
import { type RealOllama, realOllamaUnavailable, startRealOllama } from './_real-ollama.ts';

/** A copy takes some 10 s on two cores that others use, too; each byte is hashed five times and encrypted twice on the way. */
const TEST_MS = 120_000;
const MODEL_BYTES = 1024 ** 3;
/** More than the garbage of a copy, far less than what is copied. */
const MEMORY_BYTES = 150e6;

describe('a model of 1 GB that a paired server has, without the internet', { timeout: TEST_MS }, () => {
  const unavailable = realOllamaUnavailable();
  skipBecause(unavailable);

  const folder = temporaryDirectory('large-copy');
  const parts: AsyncDisposable[] = [];
  const dir = (name: string) => join(folder.path, name);
  let lab: Lab;
  let attic: RealOllama;
  let gpu: RealOllama;
  let giver: Daemon;
  let taker: Daemon;

  const serve = async (name: string) => {
    const daemon = await serveOn(lab.host(name), ['--data-dir', dir(name)]);
    parts.push(daemon);
    return daemon;
  };
  const digestOn = async (name: string) => {
    const answer = await lab.host(name).http('http://127.0.0.1:11434/api/tags');
    const { models } = answer.json() as { models: { name: string; digest: string }[] };
    return models.find((model) => model.name === 'large:latest')?.digest;
  };
  const blobsOf = ({ env }: RealOllama) => join(env.OLLAMA_MODELS ?? '', 'blobs');
  const pull = () => {
    const args = [CLI, 'pull', 'large', '--on', 'gpu', '--data-dir', dir('gpu')];
    return lab.host('gpu').exec(process.execPath, args, { timeoutMs: TEST_MS });
  };
  /** Bytes that have come to the machine over its cable. */
  const received = () =>
    Number(/eth0:\s*(\d+)/.exec(readFileSync(`/proc/${taker.process.pid}/net/dev`, 'utf8'))?.[1]);
  /** What lies in the folder of the Ollama that pulls: files by name, and how large they are. */
  const kept = () =>
    readdirSync(blobsOf(gpu)).map((name) => ({ name, size: statSync(join(blobsOf(gpu), name)).size }));

  beforeAll(async () => {
    if (unavailable !== undefined) return;
    lab = await createLab({ hosts: ['attic', 'gpu'] });
    parts.push(lab);
    attic = await startRealOllama(lab.host('attic'), []);
    parts.push(attic);
    gpu = await startRealOllama(lab.host('gpu'), []);
    parts.push(gpu);
    const file = join(attic.env.HOME, 'large.gguf');
    writeLargeGguf(file, MODEL_BYTES);
    writeFileSync(join(attic.env.HOME, 'Large'), `FROM ${file}\nTEMPLATE {{ .Prompt }}\n`);
    const created = await attic.cli('create', 'large', '-f', join(attic.env.HOME, 'Large'));
    expect(created).toMatchObject({ code: 0 });
    unlinkSync(file);
    const [atticId, gpuId] = [loadIdentity(dir('attic')).deviceId, loadIdentity(dir('gpu')).deviceId];
    await allow(dir('attic'), gpuId, 'gpu');
    await allow(dir('gpu'), atticId, 'attic');
    giver = await serve('attic');
    taker = await serve('gpu');
    await untilListed(lab.host('gpu'), ['large']);
  }, TEST_MS);

  afterEach(async () => {
    if (unavailable === undefined && (await digestOn('gpu')) !== undefined) await gpu.cli('rm', 'large');
  });

  afterAll(async () => {
    for (const part of parts.reverse()) await part[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  test('has the same digest on both, and costs neither ollana more memory than a small one', async () => {
    const grown = watchMemory([giver.process.pid, taker.process.pid]);
    const { stdout, stderr, code } = await pull();
    expect([code, stderr]).toEqual([0, '']);
    const come = /^from attic \(LAN\) to gpu: 1\.1 GB at [\d.]+ [MG]B\/s$/m.exec(stdout)?.[0];
    expect(come, stdout).toBeDefined();
    const [gave = 0, took = 0] = grown();
    process.stdout.write(
      `${come}; the ollana of attic grew by ${megabytes(gave)}, of gpu by ${megabytes(took)}\n`,
    );
    expect(Math.max(gave, took)).toBeLessThan(MEMORY_BYTES);
    expect(await digestOn('gpu')).toBe(await digestOn('attic'));
    const large = kept().find(({ size }) => size > MODEL_BYTES);
    const hash = createHash('sha256');
    await pipeline(createReadStream(join(blobsOf(gpu), large?.name ?? '')), hash);
    expect(large?.name).toBe(`sha256-${hash.digest('hex')}`);
  });

  test('goes on where it was when the ollana that gives it dies on the way and is started again', async () => {
    const before = received();
    const pulled = pull();
    await until(60_000, 'a third of it', () => received() - before > MODEL_BYTES / 3, 10);
    await giver.stop('SIGKILL');
    giver = await serve('attic');
    const { stdout, code } = await pulled;
    expect(stdout).toMatch(/^from attic \(LAN\) to gpu: 1\.1 GB at /m);
    expect(code).toBe(0);
    expect(await digestOn('gpu')).toBe(await digestOn('attic'));
    // All of it once with what TLS and TCP add, and what was on its way.
    expect(received() - before).toBeLessThan(MODEL_BYTES * 1.1);
  });

  test('is refused where one bit of it is flipped, and nothing of it is left', async () => {
    const [name = ''] = readdirSync(blobsOf(attic)).filter(
      (one) => statSync(join(blobsOf(attic), one)).size > MODEL_BYTES,
    );
    const flip = () => {
      const file = openSync(join(blobsOf(attic), name), 'r+');
      const byte = Buffer.alloc(1);
      readSync(file, byte, 0, 1, MODEL_BYTES / 2);
      writeSync(file, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, MODEL_BYTES / 2);
      closeSync(file);
    };
    flip();
    const { stdout, stderr, code } = await pull();
    flip();
    expect(code).toBe(1);
    expect(stderr).toContain(
      `ollana: not pulled to gpu: what attic sent as ${name.replace('-', ':')} is something else (its SHA-256 differs): it was refused; and from the internet: pull model manifest: `,
    );
    expect(stdout).not.toContain('from attic (LAN) to gpu');
    expect(await digestOn('gpu')).toBeUndefined();
    await until(5000, 'what came to be gone', () => kept().every(({ size }) => size < 1000));
  });
});

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

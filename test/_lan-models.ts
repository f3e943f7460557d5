import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { systemClock } from '../src/clock.ts';
import type { ServerConfig } from '../src/config.ts';
import type { Daemon } from '../src/daemon/daemon.ts';
import { startServer } from '../src/daemon/server.ts';
import { blobFile, manifestPath } from '../src/ollama/model-path.ts';
import { loadIdentity } from '../src/security/identity.ts';
import {
  type SimulatedOllama,
  type SimulatedOllamaOptions,
  startSimulatedOllama,
} from '../src/simulate/ollama.ts';
import { commonConfig, TestLog } from './_cluster-config.ts';
import { temporaryDirectory } from './_daemon.ts';
import { next, until } from './_deadline.ts';
import { allow, OUTSIDE } from './_paired.ts';

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A model in the files of an Ollama. */
export interface KeptModel {
  readonly name: string;
  /** By which Ollama lists it. */
  readonly digest: string;
  /** The large file. */
  readonly weights: Buffer;
  readonly weightsDigest: string;
  readonly weightsFile: string;
  readonly manifest: Buffer;
  readonly digests: readonly string[];
}

const TYPE = 'application/vnd.ollama.image.';

/** Writes a model as Ollama keeps it; the same `weights` give the same model. `size` is what it says of them. */
export function keepModel(
  dir: string,
  name: string,
  weights: Buffer = randomBytes(3_000_000),
  size = weights.length,
): KeptModel {
  const keep = (bytes: Buffer, mediaType: string) => {
    const digest = `sha256:${sha256(bytes)}`;
    const file = blobFile(dir, digest)!;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const model = { ...keep(weights, `${TYPE}model`), size };
  const layers = [
    model,
    keep(Buffer.from('{{ .Prompt }}'), `${TYPE}template`),
    keep(Buffer.from('{"stop":["<end>"],"temperature":0}'), `${TYPE}params`),
  ];
  const config = keep(
    Buffer.from('{"model_format":"gguf"}'),
    'application/vnd.docker.container.image.v1+json',
  );
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers }));
  const path = join(dir, ...manifestPath(name)!);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, manifest);
  return {
    name,
    digest: sha256(manifest),
    weights,
    weightsDigest: model.digest,
    weightsFile: blobFile(dir, model.digest)!,
    manifest,
    digests: [...layers, config].map(({ digest }) => digest),
  };
}

export interface LanServer {
  readonly name: string;
  readonly daemon: Daemon;
  readonly ollama: SimulatedOllama;
  readonly log: TestLog;
  /** Reached from other machines. */
  readonly outside: string;
  readonly dataDir: string;
  readonly id: string;
}

/** GPU machines that may be paired, each with a folder for models. */
export interface Machines extends AsyncDisposable {
  dir(name: string): string;
  dataDir(name: string): string;
  id(name: string): string;
  /** Each of them is on the list of all others. */
  pair(...names: string[]): Promise<void>;
  serve(name: string, more?: Partial<ServerConfig>, options?: SimulatedOllamaOptions): Promise<LanServer>;
  /** Goes with the machines, before those that were started already. */
  keep(part: AsyncDisposable): void;
}

export function startMachines(): Machines {
  const folder = temporaryDirectory('lan-models');
  const ends: (() => Promise<unknown>)[] = [];
  const dataDir = (name: string) => join(folder.path, name);
  const dir = (name: string) => join(folder.path, `${name}-models`);
  const id = (name: string) => loadIdentity(dataDir(name)).deviceId;
  return {
    dir,
    dataDir,
    id,
    async pair(...names) {
      for (const here of names)
        for (const there of names) if (here !== there) await allow(dataDir(here), id(there), there);
    },
    async serve(name, more = {}, options = {}) {
      const ollama = await startSimulatedOllama({ clock: systemClock, models: [], ...options });
      ends.push(async () => ollama[Symbol.asyncDispose]());
      const log = new TestLog();
      const common = commonConfig(dataDir(name), { ollama: ollama.url, name, host: '0.0.0.0' });
      const config = { ...common, mode: 'server', allow: new Set(), ...more } as ServerConfig;
      const daemon = await startServer(config, log, { modelsDir: dir(name) });
      ends.push(() => daemon.stop());
      await until(5000, 'the server to have its Ollama', () => daemon.status().ollama?.up);
      const outside = `http://${OUTSIDE}:${new URL(daemon.url).port}`;
      return { name, daemon, ollama, log, outside, dataDir: dataDir(name), id: id(name) };
    },
    keep: (part) => void ends.push(async () => part[Symbol.asyncDispose]()),
    async [Symbol.asyncDispose]() {
      for (const end of ends.reverse()) await end();
      folder[Symbol.dispose]();
    },
  };
}

export interface PairOptions {
  /** Of the model; 3 MB unless given. */
  readonly weights?: Buffer;
  /** What the model says that its weights take, bytes. */
  readonly size?: number;
  /** Further machines on everybody's list; none but attic and gpu unless given, nobody at all where it is undefined. */
  readonly paired?: readonly string[] | undefined;
  /** Of the Ollama of gpu. */
  readonly ollama?: SimulatedOllamaOptions;
  /** The way to attic breaks after so many bytes, once for each number. */
  readonly breaksAt?: readonly number[];
}

/** An attic that has the model `m`, and a gpu that knows of it and has nothing. */
export interface Pair extends AsyncDisposable {
  readonly lan: Machines;
  readonly model: KeptModel;
  readonly attic: LanServer;
  readonly gpu: LanServer;
  readonly wire: BreakingWire | undefined;
}

export async function startPair(options: PairOptions = {}): Promise<Pair> {
  const lan = startMachines();
  try {
    const paired = 'paired' in options ? options.paired : [];
    if (paired) await lan.pair('attic', 'gpu', ...paired);
    const model = keepModel(lan.dir('attic'), 'm', options.weights, options.size);
    mkdirSync(lan.dir('gpu'));
    const attic = await lan.serve('attic', {}, { models: [{ name: 'm', digest: model.digest }] });
    const wire = options.breaksAt && (await startBreakingWire(attic.outside, options.breaksAt));
    if (wire) lan.keep(wire);
    const servers = [`${wire?.url ?? attic.outside}=attic`];
    const gpu = await lan.serve('gpu', { servers }, options.ollama);
    await untilKnown(gpu, 'm');
    return { lan, model, attic, gpu, wire, [Symbol.asyncDispose]: () => lan[Symbol.asyncDispose]() };
  } catch (error) {
    await lan[Symbol.asyncDispose]();
    throw error;
  }
}

/** Resolves when `server` knows that its neighbours have the model. */
export function untilKnown({ daemon }: LanServer, model: string, neighbours = 1): Promise<unknown> {
  return until(8000, `${neighbours} neighbours with ${model}`, () => {
    const known = daemon.status().servers.filter(({ verdict, models, url }) => {
      return (
        url !== daemon.status().ollama?.url && verdict === 'reliable' && models.includes(`${model}:latest`)
      );
    });
    return known.length === neighbours;
  });
}

/** A wire to a server that breaks, once for each number of bytes, when that many have come back over it. */
export interface BreakingWire extends AsyncDisposable {
  readonly url: string;
  /** Bytes that have come back. */
  readonly bytes: () => number;
  /** How often it broke. */
  readonly breaks: () => number;
}

async function startBreakingWire(to: string, breaksAt: readonly number[]): Promise<BreakingWire> {
  const { hostname, port } = new URL(to);
  const left = [...breaksAt];
  const sockets = new Set<Socket>();
  let bytes = 0;
  const server = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
    }
    near.pipe(far);
    let come = 0;
    far.on('data', (chunk: Buffer) => {
      come += chunk.length;
      bytes += chunk.length;
      near.write(chunk);
      if (left[0] === undefined || come < left[0]) return;
      left.shift();
      near.destroy();
      far.destroy();
    });
    far.on('close', () => near.destroy());
    near.on('close', () => far.destroy());
  });
  const listening = next(server, 'listening', 5000);
  server.listen(0, '127.0.0.1');
  await listening;
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bytes: () => bytes,
    breaks: () => breaksAt.length - left.length,
    [Symbol.asyncDispose]: async () => {
      const closed = next(server, 'close', 5000);
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

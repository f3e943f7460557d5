import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Daemon } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import { clientOn, LOCAL_FACE, serveOn, untilListed } from '../lan/_fleet.ts';
import { createLab, type Lab, type LabHost } from '../lan/_lab.ts';
import { modelFile, ollamaBinary, type RealOllama, startRealOllama } from './_real-ollama.ts';

/** Eight tokens, always the same ones; a small context and one thread, since the machine is shared. */
export const EIGHT_TOKENS =
  'PARAMETER num_predict 8\nPARAMETER temperature 0\nPARAMETER seed 1\nPARAMETER num_thread 1\n';

/** A registry where nobody answers; peers may name it. */
export const NOWHERE = '127.0.0.1:9';

/** What one `ollama` command came to. */
export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** Somebody who types `ollama` commands: on the laptop, or beside the reference. */
export interface Typist {
  /** A directory that both the command and the test may write. */
  readonly home: string;
  ollama(args: readonly string[], input?: string): Promise<Ran>;
  /** As `ollama`, without waiting for its end; stdin is an open pipe. */
  start(args: readonly string[]): TestProcess;
}

/** One GPU machine, looked at past ollana. */
export interface GpuMachine {
  readonly host: LabHost;
  readonly ollama: RealOllama;
  readonly server: Daemon;
  /** Names that its own Ollama lists, without `:latest`. */
  models(): Promise<string[]>;
  /** Names that its own Ollama has loaded, without `:latest`. */
  loaded(): Promise<string[]>;
  load(model: string): Promise<void>;
  /** Unloads all models; their runners have ended then. */
  unload(): Promise<void>;
}

/** Two GPU machines and a laptop, and one Ollama with everything that the two have, for comparison. */
export interface TwoOllamas extends AsyncDisposable {
  readonly gpu1: GpuMachine;
  readonly gpu2: GpuMachine;
  readonly laptop: LabHost;
  readonly near: Typist;
  readonly reference: Typist;
}

const HELD = {
  gpu1: ['smol', 'doomed', 'only-one'],
  gpu2: ['smol', 'doomed', 'only-two'],
  single: ['smol', 'doomed', 'only-one', 'only-two', 'differs'],
};

/** Starts all of it, in some seconds. `differs` is another model on gpu1 than on gpu2 and the reference. */
export async function startTwoOllamas(): Promise<TwoOllamas> {
  const lab = await createLab({ hosts: ['gpu1', 'gpu2', 'laptop', 'single'] });
  const parts: AsyncDisposable[] = [lab];
  const dispose = async () => {
    for (const part of parts.reverse()) await part[Symbol.asyncDispose]();
  };
  try {
    const started = await Promise.allSettled(
      (['gpu1', 'gpu2', 'single'] as const).map(async (name) => {
        const ollama = await realOn(lab, name);
        parts.push(ollama);
        return ollama;
      }),
    );
    const [one, two, single] = started.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
    if (!one || !two || !single) throw new Error('three Ollamas were to start');
    await createFrom(one, 'differs', `FROM smol\nSYSTEM You are brief.\n`);
    await createFrom(two, 'differs', `FROM smol\n`);
    const servers = [];
    for (const name of ['gpu1', 'gpu2']) {
      const server = await serveOn(lab.host(name), ['--allow', 'manage', '--allow-registry', NOWHERE]);
      parts.push(server);
      servers.push(server);
    }
    const [serverOne, serverTwo] = servers;
    if (!serverOne || !serverTwo) throw new Error('two servers were to start');
    const laptop = lab.host('laptop');
    const client = await clientOn(laptop);
    parts.push(client);
    await untilListed(laptop, [...HELD.single]);
    return {
      gpu1: machine(lab.host('gpu1'), one, serverOne),
      gpu2: machine(lab.host('gpu2'), two, serverTwo),
      laptop,
      near: typist(laptop, { OLLAMA_HOST: LOCAL_FACE, HOME: client.dataDir }),
      reference: typist(lab.host('single'), single.env),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function realOn(lab: Lab, name: keyof typeof HELD): Promise<RealOllama> {
  return startRealOllama(lab.host(name), HELD[name], {
    parameters: EIGHT_TOKENS,
    // Ollama writes the path of the blob into the manifest of what it creates: only where the models are in a
    // directory of the same path do two machines give the same model the same digest.
    env: { OLLAMA_CONTEXT_LENGTH: '256', OLLAMA_MODELS: 'models' },
  });
}

async function createFrom(ollama: RealOllama, name: string, text: string): Promise<void> {
  const file = join(ollama.env.HOME, `${name}.modelfile`);
  writeFileSync(file, text);
  const created = await ollama.cli('create', name, '-f', file);
  if (created.code !== 0) throw new Error(`ollama create ${name}: ${created.stderr}`);
}

function typist(host: LabHost, env: Readonly<Record<string, string>> & { readonly HOME: string }): Typist {
  return {
    home: env.HOME,
    start: (args) => host.spawn(ollamaBinary(), args, { env }),
    ollama: (args, input) =>
      host.exec(ollamaBinary(), args, { env, timeoutMs: 30_000, ...(input === undefined ? {} : { input }) }),
  };
}

function machine(host: LabHost, ollama: RealOllama, server: Daemon): GpuMachine {
  const own = 'http://127.0.0.1:11434';
  const names = async (path: string) => {
    const { models } = (await host.http(own + path)).json() as { models: { name: string }[] };
    return models.map(({ name }) => name.replace(/:latest$/, '')).sort();
  };
  const loaded = () => names('/api/ps');
  return {
    host,
    ollama,
    server,
    models: () => names('/api/tags'),
    loaded,
    unload: async () => {
      for (const model of await loaded())
        await host.http(`${own}/api/generate`, { body: { model, keep_alive: 0 } });
      await until(5_000, `no model loaded on ${host.name}`, async () => (await loaded()).length === 0);
    },
    load: async (model) => {
      const answer = await host.http(`${own}/api/generate`, { body: { model }, timeoutMs: 30_000 });
      if (answer.status !== 200) throw new Error(`load ${model} on ${host.name}: ${answer.text}`);
    },
  };
}

/**
 * Writes a copy of the small model that no server has: one letter of its `general.name` is another, so that its
 * digest is new and all of its 98 MB have to be uploaded, yet it answers as before.
 */
export function writeUnknownGguf(path: string): void {
  const bytes = readFileSync(modelFile());
  const key = 'general.name';
  const at = bytes.subarray(0, 65_536).indexOf(key);
  if (at < 0) throw new Error(`${modelFile()} has no ${key}`);
  // After a key: its type in 4 bytes, the length of the string in 8, the string.
  const letter = at + key.length + 12;
  bytes[letter] = bytes[letter] === 0x58 ? 0x59 : 0x58;
  writeFileSync(path, bytes);
}

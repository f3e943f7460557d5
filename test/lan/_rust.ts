import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { temporaryDirectory } from '../_daemon.ts';
import type { TestProcess } from '../_process.ts';
import { type LabHost, labAvailable } from './_lab.ts';

/** Where `cargo install ollana --root ~/.cache/ollana-ci/rust-ollana` leaves it, and where a checkout may. */
const PLACES = [join(import.meta.dirname, '..', '..', '.cache'), join(homedir(), '.cache', 'ollana-ci')].map(
  (cache) => join(cache, 'rust-ollana', 'bin', 'ollana'),
);

function binary(): string | undefined {
  const given = process.env.OLLANA_RUST_BINARY;
  return [...(given === undefined ? [] : [resolve(given)]), ...PLACES].find((path) => existsSync(path));
}

/** Why there is no test with the Rust ollana here, or `undefined` when there can be. */
export function rustUnavailable(): string | undefined {
  if (labAvailable() !== undefined) return labAvailable();
  if (binary() === undefined)
    return 'the Rust ollana is not here (cargo install ollana@0.6.3 --root ~/.cache/ollana-ci/rust-ollana, or set OLLANA_RUST_BINARY)';
  return undefined;
}

/** The Rust ollana of one host, with a home of its own. */
export interface RustOllana extends AsyncDisposable {
  /** Its 64 digits, which it shows by `ollana device show`. */
  readonly id: string;
  /** Where it keeps its key and its list. */
  readonly dataDir: string;
  /** Has it trust another device, from its next start on. */
  allow(id: string): Promise<void>;
  /** Has it trust a device no more, from its next start on. */
  disable(id: string): Promise<void>;
  /** Client mode unless the host has an Ollama on 127.0.0.1:11434. Resolves when it has told its mode. */
  serve(): Promise<TestProcess>;
}

/** Sets one up. Throws where `rustUnavailable()` names a reason. */
export async function rustOn(host: LabHost): Promise<RustOllana> {
  const path = binary();
  if (path === undefined) throw new Error(rustUnavailable());
  const home = temporaryDirectory('rust');
  const env = { HOME: home.path, XDG_DATA_HOME: join(home.path, 'data'), RUST_LOG: 'debug' };
  const run = async (...args: string[]) => {
    const { stdout, stderr, code } = await host.exec(path, args, { env });
    if (code !== 0) throw new Error(`ollana ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  // It writes its list before its directory is there.
  await host.exec('mkdir', ['-p', join(env.XDG_DATA_HOME, 'ollana')]);
  const [id = ''] = /[0-9a-f]{64}/.exec(await run('device', 'show')) ?? [];
  return {
    id,
    dataDir: join(env.XDG_DATA_HOME, 'ollana'),
    allow: async (other) => void (await run('device', 'allow', other)),
    disable: async (other) => void (await run('device', 'disable', other)),
    async serve() {
      const started = host.spawn(path, ['serve'], { env });
      await started.waitFor(/Running in (Server|Client) Mode/);
      return started;
    },
    [Symbol.asyncDispose]: async () => home[Symbol.dispose](),
  };
}

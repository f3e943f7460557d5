import { readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type Answered, call } from './_api.ts';
import { type Daemon, startDaemon, temporaryDirectory } from './_daemon.ts';

/** An address of this machine that is not loopback: who comes from it is a peer. */
export const OUTSIDE = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

/** Finds and is found by nobody. */
export const ALONE = 'port = 0\nudp = false\nmdns = false\n';

export interface Configured extends AsyncDisposable {
  readonly daemon: Daemon;
  readonly url: string;
  readonly file: string;
  readonly text: () => string;
  /** Sends settings as the page does. */
  readonly save: (values: unknown, headers?: Readonly<Record<string, string>>) => Promise<Answered>;
  /** An option as the page is told of it. */
  readonly shown: (option: string) => Promise<Record<string, unknown>>;
}

/** A built daemon as a process, whose settings are in a file with this text. */
export async function startConfigured(text: string, args: readonly string[] = []): Promise<Configured> {
  const folder = temporaryDirectory('settings');
  const file = join(folder.path, 'config.toml');
  writeFileSync(file, text);
  try {
    const daemon = await startDaemon({ args: [...args, '--config', file], startMs: 20_000 });
    const { url } = daemon;
    return {
      daemon,
      url,
      file,
      text: () => readFileSync(file, 'utf8'),
      save: (body, headers = {}) =>
        call(url, '/dashboard/api/settings', { method: 'POST', body, headers: { Origin: url, ...headers } }),
      shown: async (option) => {
        const { json } = await call(url, '/dashboard/api/settings');
        return json.settings.find((one: { option: string }) => one.option === option);
      },
      [Symbol.asyncDispose]: async () => {
        await daemon[Symbol.asyncDispose]();
        folder[Symbol.dispose]();
      },
    };
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
}

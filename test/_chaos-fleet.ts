import type { Incident } from './_chaos-schedule.ts';
import { ChaosServer, type ChaosWorld } from './_chaos-server.ts';
import { type Daemon, startDaemon } from './_daemon.ts';
import { until } from './_deadline.ts';
import type { TestProcess } from './_process.ts';

/** With these a daemon can be asked for its holdings. */
export const PROBED = {
  NODE_OPTIONS: `--expose-gc --import ${new URL('_heap-probe.mjs', import.meta.url).href}`,
};

/** What a daemon's process holds once its garbage is collected. */
export interface Holdings {
  readonly heapBytes: number;
  /** Memory of the process that is not the heap's but of its objects: buffers. */
  readonly externalBytes: number;
  /** What keeps the event loop alive; kept connections that are idle do not. */
  readonly handles: number;
  /** Open files, idle connections among them. */
  readonly descriptors: number;
  /** How late timers were since it was asked last, 99th percentile, ms. */
  readonly delayMs: number;
}

/** Asks a daemon that was started with `PROBED`, the `nth` time from 1. Rejects when it does not answer within 10 s. */
export async function holdingsOf(process: TestProcess, nth: number): Promise<Holdings> {
  process.child.kill('SIGUSR2');
  const [, json = ''] = await process.waitFor(new RegExp(`holdings ${nth} (.*)\n`));
  return JSON.parse(json) as Holdings;
}

/** Lets every incident happen at its time and end; resolves when all have ended. Rejects if one cannot be made. */
export async function unleash(
  servers: readonly ChaosServer[],
  incidents: readonly Incident[],
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  const begun = performance.now();
  const at = (ms: number) => pause(Math.max(0, begun + ms - performance.now()));
  await Promise.all(
    servers.map(async (server, i) => {
      for (const { atMs, forMs, trouble } of incidents.filter((one) => one.server === i)) {
        await at(atMs);
        await server.begin(trouble);
        await at(atMs + forMs);
        await server.end(trouble);
      }
    }),
  );
}

export interface ChaosFleet extends AsyncDisposable {
  readonly servers: readonly ChaosServer[];
  /** In client mode, all servers named to it. */
  readonly daemon: Daemon;
  /** What the client's process holds. */
  holdings(): Promise<Holdings>;
}

/** Servers of these names, and a client to which all of them are named. */
export async function startChaosFleet(
  names: readonly string[],
  worldOf: (name: string) => ChaosWorld,
): Promise<ChaosFleet> {
  const servers: ChaosServer[] = [];
  const end = async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
  };
  try {
    for (const name of names) servers.push(await ChaosServer.start(name, worldOf(name)));
    const named = servers.flatMap(({ link, name }) => ['--server', `${link.url}=${name}`]);
    const args = ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback', ...named];
    const daemon = await startDaemon({ args, env: PROBED });
    let asked = 0;
    return {
      servers,
      daemon,
      holdings: async () => {
        asked += 1;
        return holdingsOf(daemon.process, asked);
      },
      [Symbol.asyncDispose]: async () => {
        await daemon[Symbol.asyncDispose]();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** What a server tells of its load, or undefined while it tells nothing. */
export async function loadOf(url: string): Promise<{ active: number; queued: number } | undefined> {
  const over = new AbortController();
  const limit = setTimeout(() => over.abort(), 3000);
  try {
    const response = await fetch(`${url}/ollana/api/watch`, { signal: over.signal });
    let text = '';
    for await (const bytes of response.body ?? []) {
      text += Buffer.from(bytes).toString('utf8');
      const [, json] = /event: load\ndata: (.*)\n/.exec(text) ?? [];
      if (json === undefined) continue;
      const rows = Object.values((JSON.parse(json) as { models: Record<string, Row> }).models);
      const sum = (key: keyof Row) => rows.reduce((total, row) => total + row[key], 0);
      return { active: sum('active'), queued: sum('queued') };
    }
    return undefined;
  } finally {
    clearTimeout(limit);
    over.abort();
  }
}

interface Row {
  readonly active: number;
  readonly queued: number;
}

/** Resolves when the client finds every server reliable, or rejects after `ms`. */
export async function untilAllReliable(url: string, count: number, ms: number): Promise<void> {
  await until(ms, `${count} reliable servers with models`, async () => {
    const { servers } = (await (await fetch(`${url}/ollana/api/status`)).json()) as {
      servers: { verdict: string; models: string[] }[];
    };
    return servers.filter((one) => one.verdict === 'reliable' && one.models.length > 0).length === count;
  });
}

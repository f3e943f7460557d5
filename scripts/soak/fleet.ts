import { join } from 'node:path';
import { PROBED, untilAllReliable } from '../../test/_chaos-fleet.ts';
import { TROUBLES, type Trouble } from '../../test/_chaos-schedule.ts';
import { ChaosServer, type ChaosWorld } from '../../test/_chaos-server.ts';
import { type Daemon, startDaemon, temporaryDirectory } from '../../test/_daemon.ts';

/** The model that is asked, and the one for embeddings. */
export const MODEL = 'chaos';
export const EMBEDDER = 'embedder';

/** Server mode that lives as long as the soak; its Ollama does not. */
const STEADY = 'steady';

/** What befalls the Ollama of the server that is watched. */
const OF_ITS_OLLAMA: readonly Trouble[] = [
  { kind: 'kill', process: 'ollama' },
  { kind: 'freeze', process: 'ollama' },
  { kind: 'drop-link' },
];

/** What befalls the others: all that can, and answers that never begin, never go on, or end without their marker. */
const OF_OTHERS: readonly Trouble[] = [
  ...TROUBLES,
  { kind: 'fault', fault: { kind: 'hang' } },
  { kind: 'fault', fault: { kind: 'stall', afterLines: 6 } },
  { kind: 'fault', fault: { kind: 'clean-cut', afterLines: 5 } },
];

/** A client whose servers fail all the time. */
export interface SoakFleet extends AsyncDisposable {
  readonly url: string;
  /** Never troubled when the expected answers are asked for, before the load. */
  readonly steady: ChaosServer;
  /** Servers that are troubled together, each group with what befalls it. */
  readonly groups: readonly {
    readonly servers: readonly ChaosServer[];
    readonly troubles: readonly Trouble[];
  }[];
  /** The daemons that live as long as the soak. */
  readonly watched: readonly {
    readonly name: string;
    readonly daemon: Daemon;
    /** The first of its log files. */
    readonly log: string;
  }[];
}

/** What a server that is troubled now and then still does at 16 requests at once. */
const worldOf = (name: string, log: string): ChaosWorld => ({
  models: [
    { name: MODEL, tokensPerSecond: name === STEADY ? 1600 : 3200, loadMs: 100 },
    { name: EMBEDDER, embedding: true },
  ],
  answer: Array.from({ length: 80 }, (_, i) => `word${i}`).join(' '),
  args: ['--log-file', log],
  env: name === STEADY ? PROBED : {},
});

/** Starts three servers and a client. Rejects when the client does not find them all. */
export async function startSoakFleet(): Promise<SoakFleet> {
  const folder = temporaryDirectory('soak');
  const log = (name: string) => join(folder.path, `${name}.log`);
  const running: AsyncDisposable[] = [];
  const stop = async () => {
    for (const part of running.reverse()) await part[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  };
  try {
    const servers: ChaosServer[] = [];
    for (const name of [STEADY, 'x', 'y']) {
      const server = await ChaosServer.start(name, worldOf(name, log(name)));
      servers.push(server);
      running.push(server);
    }
    const [steady, ...others] = servers;
    if (steady?.serve === undefined) throw new Error('server mode is not there');
    const named = servers.flatMap(({ link, name }) => ['--server', `${link.url}=${name}`]);
    const args = ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback', '--log-file', log('client')];
    const client = await startDaemon({ args: [...args, ...named], env: PROBED });
    running.push(client);
    await untilAllReliable(client.url, servers.length, 20_000);
    return {
      url: client.url,
      steady,
      groups: [
        { servers: [steady], troubles: OF_ITS_OLLAMA },
        { servers: others, troubles: OF_OTHERS },
      ],
      watched: [
        { name: 'client', daemon: client, log: log('client') },
        { name: 'serve', daemon: steady.serve, log: log(STEADY) },
      ],
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

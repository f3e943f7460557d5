import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommonConfig } from '../config.ts';
import type { Log } from '../observe/log.ts';
import {
  type SimulatedOllama,
  type SimulatedOllamaOptions,
  startSimulatedOllama,
} from '../simulate/ollama.ts';
import type { Daemon } from './daemon.ts';
import { startServer } from './server.ts';

const GB = 1e9;

/** The machines of the demo: one fast and one slow, sharing a model. Speeds are those of common GPUs. */
const MACHINES: readonly SimulatedOllamaOptions[] = [
  {
    label: 'demo-fast (simulated)',
    models: [
      { name: 'simulated-small:latest', size: 2 * GB, loadMs: 400, tokensPerSecond: 90 },
      { name: 'simulated-large:latest', size: 9 * GB, loadMs: 1500, tokensPerSecond: 30 },
    ],
  },
  {
    label: 'demo-slow (simulated)',
    models: [{ name: 'simulated-small:latest', size: 2 * GB, loadMs: 900, tokensPerSecond: 25 }],
  },
];

/** The model that every simulated machine has. */
export const DEMO_MODEL = 'simulated-small';

export interface DemoFleet extends AsyncDisposable {
  readonly servers: readonly Daemon[];
}

/**
 * Starts server-mode ollanas in front of simulated Ollamas, all in this process, reachable and announced on
 * loopback only: nobody else on the network is offered a simulation. Disposal ends them and removes their
 * files. Rejects with the codes of `startServer`.
 */
export async function startDemoFleet(config: CommonConfig, log: Log): Promise<DemoFleet> {
  const dataDir = mkdtempSync(join(tmpdir(), 'ollana-demo-'));
  const ollamas: SimulatedOllama[] = [];
  const servers: Daemon[] = [];
  const end = async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await Promise.all(ollamas.map((ollama) => ollama[Symbol.asyncDispose]()));
    rmSync(dataDir, { recursive: true, force: true });
  };
  try {
    for (const [index, machine] of MACHINES.entries()) {
      const ollama = await startSimulatedOllama(machine);
      ollamas.push(ollama);
      const server = await startServer(
        {
          ...config,
          mode: 'server',
          host: '127.0.0.1',
          port: 0,
          ollama: ollama.url,
          servers: [],
          interfaces: loopbackNames(),
          dataDir: join(dataDir, String(index)),
          name: machine.label ?? 'simulated',
          allow: new Set(),
        },
        log,
      );
      servers.push(server);
    }
  } catch (error) {
    await end();
    throw error;
  }
  return { servers, [Symbol.asyncDispose]: end };
}

/** `lo` on Linux, `lo0` on macOS. */
function loopbackNames(): readonly string[] {
  const names = Object.entries(networkInterfaces())
    .filter(([, addresses]) => addresses?.some((address) => address.internal))
    .map(([name]) => name);
  return names.length > 0 ? names : ['lo'];
}

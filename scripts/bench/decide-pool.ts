import { type ModelLoad, type ServerLoad, serverLoad } from '../../src/fleet/load.ts';
import type { PoolServer } from '../../src/fleet/pool.ts';
import { readPs, readTags } from '../../src/ollama/lists.ts';
import { modelKey } from '../../src/ollama/names.ts';
import type { Desk } from '../../src/routing/desk.ts';

/** Models that every server has, and how many of them it has in memory. */
export const MODELS_EACH = 50;
const IN_MEMORY = 3;
const GB = 1e9;
const KEYS = Array.from({ length: MODELS_EACH }, (_, i) => modelKey(`model-${i}`));

/** A large fleet as a decision sees it: servers that tell of their load, most of them at work. */
export class DecidePool {
  readonly servers: readonly PoolServer[];
  readonly #loads: ServerLoad[];
  #changes = 0;

  constructor(count: number) {
    this.#loads = Array.from({ length: count }, (_, i) => loadOf(i, i % 5 !== 0));
    const tags = readTags({
      models: Array.from({ length: MODELS_EACH }, (_, i) => ({ name: keyOf(i), size: (1 + i) * GB })),
    });
    const modelKeys = new Set(tags.map(({ key }) => key));
    const loads = this.#loads;
    this.servers = loads.map((_, index): PoolServer => {
      const ps = readPs({ models: inMemoryOf(index).map((i) => ({ name: keyOf(i) })) });
      return {
        deviceId: `device-${index}`,
        name: `gpu-${index}`,
        url: `http://10.0.${index >> 8}.${index & 255}:11434`,
        kind: 'ollana',
        sources: ['beacon'],
        verdict: { state: 'reliable', sinceMs: 0 },
        version: '0.12.0',
        tags: tags.slice(),
        ps,
        psAt: undefined,
        modelKeys,
        loadedKeys: new Set(ps.map(({ key }) => key)),
        get load() {
          return loads[index];
        },
        allowsManage: true,
        freeMemoryBytes: undefined,
        latencyMs: 1,
        inFlight: 0,
      };
    });
  }

  /** What a decision asks of a server's queue. */
  deskOf(deviceId: string): Desk {
    const index = Number(deviceId.slice('device-'.length));
    return {
      load: () => this.#loads[index],
      take: () => ({ headers: [], use: () => {}, begun: () => {}, stalled: () => {}, release: () => {} }),
      open: () => ({ close: () => {} }),
    };
  }

  /** One server after the other tells something new, as they do all the time. */
  change(): void {
    this.#changes += 1;
    const index = (this.#changes * 7) % this.#loads.length;
    this.#loads[index] = loadOf(index, this.#changes % 2 === 0);
  }
}

/** `modelKey` of a model by its number. Pure. */
export function keyOf(index: number): string {
  return KEYS[index % MODELS_EACH] ?? '';
}

function inMemoryOf(server: number): number[] {
  return Array.from({ length: IN_MEMORY }, (_, i) => (server + i) % MODELS_EACH);
}

function loadOf(server: number, busy: boolean): ServerLoad {
  const inMemory = inMemoryOf(server);
  const models = Array.from({ length: MODELS_EACH }, (_, i) => [
    keyOf(i),
    modelLoad(server, inMemory, i, busy),
  ]);
  return serverLoad(Object.fromEntries(models));
}

function modelLoad(server: number, inMemory: readonly number[], model: number, busy: boolean): ModelLoad {
  const place = inMemory.indexOf(model);
  const works = busy && place === 0;
  return {
    slots: 1,
    active: works ? 1 : 0,
    queued: 0,
    backlogMs: works ? 500 : 0,
    recentMs: place >= 0 ? 2000 : 0,
    loaded: place >= 0,
    loading: false,
    loadMs: 3000,
    evictsMs: place >= 0 ? 0 : 3000,
    evicts: place >= 0 ? [] : inMemory.slice(0, 1).map(keyOf),
    decodeMsPerToken: 5 * (1 + (server % 4)),
    prefillMsPerToken: 0.1 * (1 + (server % 4)),
    outputTokens: 200,
    numCtx: null,
  };
}

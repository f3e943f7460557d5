import { describe, expect, it } from 'vitest';
import { type ModelLoad, serverLoad } from '../src/fleet/load.ts';
import type { ServerFacts } from '../src/fleet/pool.ts';
import { candidates } from '../src/routing/candidates.ts';
import { Demand } from '../src/routing/demand.ts';
import { UNLOADED } from '../src/routing/finish.ts';

function server(i: number, { load, ...more }: Partial<ServerFacts> = {}): ServerFacts {
  return {
    deviceId: `${i}`,
    name: `gpu-${i}`,
    url: `http://10.0.0.${i}`,
    kind: 'ollana',
    sources: ['beacon'],
    verdict: { state: 'reliable', sinceMs: 0 },
    version: undefined,
    tags: [],
    ps: [],
    modelKeys: new Set(['x']),
    loadedKeys: new Set(),
    allowsManage: true,
    freeMemoryBytes: undefined,
    latencyMs: 1,
    load,
    ...more,
  };
}

const fleet = (count: number, more: (i: number) => Partial<ServerFacts> = () => ({})) =>
  Array.from({ length: count }, (_, i) => server(i, more(i)));
const lookedAt = (servers: readonly ServerFacts[]) => {
  const demand = new Demand();
  demand.read(servers, 0);
  return candidates(servers, 'x', demand.holders('x'));
};
const ids = (servers: readonly ServerFacts[]) => servers.map(({ deviceId }) => Number(deviceId));
const row = (more: Partial<ModelLoad>) => serverLoad({ x: { ...UNLOADED, ...more } });
const DOUBTED = { state: 'unreliable', sinceMs: 0, cause: 'dial', reason: 'r' } as const;

describe('the servers that a decision looks at', () => {
  it('are all that may have the model, in a fleet as people have them', () => {
    const servers = fleet(100, (i) => (i === 7 ? { modelKeys: new Set(['y']) } : {}));
    expect(ids(lookedAt(servers))).toEqual(ids(servers).filter((i) => i !== 7));
  });

  it('are some 64 of a thousand that would have to load it, and these stay the same', () => {
    const servers = fleet(1000);
    const some = lookedAt(servers);
    expect(some.length).toBeGreaterThan(60);
    expect(some.length).toBeLessThanOrEqual(64);
    const warmer = servers.map((one, i) => (i % 2 === 0 ? one : server(i, { load: row({ loaded: true }) })));
    expect(ids(lookedAt(warmer))).toEqual(expect.arrayContaining(ids(some)));
  });

  it('are, of a thousand, all that have it in memory by what they tell or else by their list', () => {
    const servers = fleet(1000, (i) => {
      if (i === 501) return { load: row({ loaded: true }) };
      if (i === 502) return { load: row({ loaded: false }), loadedKeys: new Set(['x']) };
      return i === 503 ? { loadedKeys: new Set(['x']) } : {};
    });
    const found = ids(lookedAt(servers));
    expect([501, 502, 503].map((i) => found.includes(i))).toEqual([true, false, true]);
  });

  it('are, of a thousand, every one that is reliable where most are not', () => {
    const servers = fleet(1000, (i) => (i === 501 ? {} : { verdict: DOUBTED }));
    expect(lookedAt(servers)).toHaveLength(1000);
  });

  it('are, of a thousand, every one that has a model that few have', () => {
    const few = new Set([1, 333, 998]);
    const servers = fleet(1000, (i) => (few.has(i) ? {} : { modelKeys: new Set(['y']) }));
    expect(ids(lookedAt(servers))).toEqual([...few]);
  });
});

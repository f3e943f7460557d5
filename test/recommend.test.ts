import { describe, expect, it } from 'vitest';
import type { HealthServer, HealthSnapshot } from '../src/observe/health/snapshot.ts';
import { recommend, type Usage } from '../src/observe/recommend/recommend.ts';
import { readPs, readTags } from '../src/ollama/lists.ts';
import { modelKey } from '../src/ollama/names.ts';

const NOW = Date.UTC(2026, 5, 1);
const DAY = 86_400_000;
const NONE = {
  requests: 0,
  uses: 0,
  failed: 0,
  retried: 0,
  left: 0,
  broken: 0,
  unanswered: 0,
  waited: 0,
  queueFull: 0,
};
const FIGURES = { all: NONE, models: new Map(), servers: new Map() };
const FOREVER = '2318-01-01T00:00:00Z';

function server(
  name: string,
  tags: object[],
  ps: object[] = [],
  more: Partial<HealthServer> = {},
): HealthServer {
  const [rows, loaded] = [readTags({ models: tags }), readPs({ models: ps })];
  return {
    deviceId: `id-${name}`,
    name,
    url: `http://${name}:11435`,
    kind: 'ollana',
    sources: ['udp'],
    verdict: { state: 'reliable', sinceMs: 0 },
    version: '0.17.4',
    tags: rows,
    ps: loaded,
    modelKeys: new Set(rows.map(({ key }) => key)),
    loadedKeys: new Set(loaded.map(({ key }) => key)),
    allowsManage: true,
    freeMemoryBytes: 20e9,
    load: undefined,
    latencyMs: 1,
    inFlight: 0,
    isOwn: false,
    ...more,
  };
}

function seen(servers: readonly HealthServer[], more: Partial<HealthSnapshot> = {}): HealthSnapshot {
  return {
    wallMs: NOW,
    nowMs: 0,
    mode: 'server',
    ownUrl: undefined,
    pairing: 'open',
    usesBroadcast: true,
    protectsContext: false,
    servers,
    unanswered: [],
    quarter: FIGURES,
    hour: FIGURES,
    past: new Map(),
    network: { troubles: [], noLink: false },
    ...more,
  };
}

const used = (reachMs: number, models: Record<string, [requests: number, agoMs: number]>): Usage => ({
  reachMs,
  models: new Map(
    Object.entries(models).map(([key, [requests, ago]]) => [
      modelKey(key),
      { requests, lastUsedMs: NOW - ago },
    ]),
  ),
});

const old = { modified_at: new Date(NOW - 90 * DAY).toISOString() };

describe('advice', () => {
  it('keeps what is used much where it fits best, and says the command', () => {
    const snapshot = seen([
      server('little', [{ name: 'm', size: 8e9 }], [], { freeMemoryBytes: 4e9 }),
      server('much', [{ name: 'm', size: 8e9 }], [], { freeMemoryBytes: 30e9 }),
    ]);
    expect(recommend(snapshot, used(DAY, { m: [100, 0] }))).toMatchObject([
      {
        kind: 'keep-loaded',
        server: 'much',
        why: '100 requests, and it is loaded nowhere; 8.0 GB, with 30.0 GB free there',
        remedy: {
          command: `curl http://localhost:11435/api/generate -H 'X-Ollana-Server: much' -d '{"model":"m","keep_alive":-1}'`,
        },
      },
    ]);
    // Little used, or in memory somewhere: no advice.
    expect(recommend(snapshot, used(30 * DAY, { m: [100, 0] }))).toEqual([]);
    const warm = server('warm', [{ name: 'm', size: 8e9 }], [{ name: 'm', size: 8e9, expires_at: FOREVER }]);
    expect(recommend(seen([warm, ...snapshot.servers]), used(DAY, { m: [100, 0] }))).toEqual([]);
  });

  it('has a second copy of what most ask for, where there is room', () => {
    const loaded = [{ name: 'm', size: 8e9, expires_at: FOREVER }];
    const one = server('one', [{ name: 'm', size: 8e9 }], loaded);
    const usage = used(DAY, { m: [90, 0], n: [10, 0] });
    expect(recommend(seen([one, server('two', [])]), usage)).toMatchObject([
      { kind: 'copy', server: 'two', remedy: { command: 'ollana pull m --on two' } },
    ]);
    for (const shut of [{ freeMemoryBytes: 1e9 }, { allowsManage: false }, { kind: 'local' } as const])
      expect(recommend(seen([one, server('two', [], [], shut)]), usage)).toEqual([]);
  });

  it('unloads what is kept and not used, beside others', () => {
    const ps = [
      { name: 'm', size: 8e9, size_vram: 8e9, expires_at: FOREVER },
      { name: 'n', size: 4e9, size_vram: 4e9, expires_at: FOREVER },
    ];
    const tags = [{ name: 'm' }, { name: 'n' }];
    const usage = used(DAY, { m: [5, 60_000], n: [5, 5 * 3_600_000] });
    expect(recommend(seen([server('one', tags, ps)]), usage)).toMatchObject([
      {
        kind: 'unload',
        model: 'n',
        frees: 4e9,
        why: expect.stringContaining('for 5 h'),
        remedy: { command: 'ollana unload n --on one' },
      },
    ]);
    const soon = ps.map((row) => ({ ...row, expires_at: new Date(NOW + 300_000).toISOString() }));
    expect(recommend(seen([server('one', tags, soon)]), usage)).toEqual([]);
  });

  it('removes what nobody has run for 30 days, the largest first, and only where that is known', () => {
    const tags = [
      { name: 'small', size: 1e9, ...old },
      { name: 'large', size: 9e9, ...old },
      { name: 'run', size: 9e9, ...old },
      { name: 'new', size: 9e9, modified_at: new Date(NOW - DAY).toISOString() },
    ];
    const usage = used(40 * DAY, { run: [1, 10 * DAY], small: [1, 35 * DAY] });
    const advice = recommend(seen([server('one', tags)]), usage);
    expect(advice.map(({ kind, model }) => `${kind} ${model}`)).toEqual(['remove large', 'remove small']);
    expect(advice[0]).toMatchObject({ frees: 9e9, remedy: { command: 'ollana rm large --on one' } });
    expect(recommend(seen([server('one', tags)]), { ...usage, reachMs: 20 * DAY })).toEqual([]);
    // A laptop sees its own requests only.
    const [first] = recommend(seen([server('one', tags)], { mode: 'client' }), usage);
    expect(first?.why).toContain('other machines may');
  });

  it('has one context where several are loaded by turns', () => {
    const change = { model: modelKey('m'), atMs: 0, from: 4096, to: 16_384 };
    const past = {
      loads: [],
      contextChanges: [change, { ...change, from: 16_384, to: 8192 }],
      paces: new Map(),
      mostParallel: undefined,
    };
    const snapshot = seen([server('one', [{ name: 'm' }])], { past: new Map([['id-one', past]]) });
    expect(recommend(snapshot, used(DAY, {}))).toMatchObject([
      {
        kind: 'context',
        why: expect.stringContaining('2 times within half an hour, for 4096, 8192, 16384 tokens'),
        remedy: { on: 'one', command: expect.stringContaining('OLLAMA_CONTEXT_LENGTH=16384') },
      },
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import type { PoolServer } from '../src/fleet/pool.ts';
import { embedHolders, planEmbed } from '../src/routing/embed-plan.ts';
import { EmbedRates, type EmbedSpeed, withRun } from '../src/routing/embed-rates.ts';

const KEY = 'registry.ollama.ai/library/m:latest';

function server(name: string, more: Partial<PoolServer> & { digest?: string } = {}): PoolServer {
  const { digest = 'same', ...rest } = more;
  return {
    deviceId: name,
    name,
    url: `http://${name}`,
    kind: 'ollama',
    sources: [],
    verdict: { state: 'reliable', sinceMs: 0 },
    version: '0.17.4',
    tags: [{ name: 'm', key: KEY, digest, modifiedAt: '', raw: {} }],
    ps: [],
    modelKeys: new Set([KEY]),
    loadedKeys: new Set([KEY]),
    allowsManage: true,
    freeMemoryBytes: undefined,
    load: undefined,
    latencyMs: null,
    inFlight: 0,
    ...rest,
  };
}

/** Sizes by server, `rates` in inputs a second. */
function plan(
  count: number,
  servers: readonly PoolServer[],
  speeds: Readonly<Record<string, Partial<EmbedSpeed>>> = {},
): Record<string, number> {
  const shares = planEmbed(count, servers, KEY, ({ name }) => ({
    rate: undefined,
    loadS: undefined,
    ...speeds[name],
  }));
  return Object.fromEntries(shares?.map((share) => [share.server.name, share.inputs]) ?? []);
}

const cold = { loadedKeys: new Set<string>() };

describe('who shares an embedding request', () => {
  it('is whoever is reliable and has the copy that one server would be asked for', () => {
    const failed = { state: 'unreliable', sinceMs: 0, cause: 'dial', reason: '' } as const;
    const pool = [
      server('a'),
      server('own', { kind: 'local' }),
      server('other', { digest: 'other', ...cold }),
      server('failed', { verdict: failed }),
      server('without', { modelKeys: new Set() }),
      server('b', cold),
    ];
    expect(embedHolders(pool, KEY).map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('is nobody where the digest is not told', () => {
    expect(embedHolders([server('a', { digest: '' }), server('b', { digest: '' })], KEY)).toEqual([]);
  });
});

describe('how an embedding request is shared', () => {
  it.each([
    ['in halves while speeds are not known', 20, [server('a'), server('b')], {}, { a: 10, b: 10 }],
    ['not when guessed parts would be too short', 15, [server('a'), server('b')], {}, {}],
    [
      'among as many as get parts long enough',
      20,
      [server('a'), server('b'), server('c')],
      {},
      { a: 10, b: 10 },
    ],
    ['by speed', 40, [server('a'), server('b')], { a: { rate: 30 }, b: { rate: 10 } }, { a: 30, b: 10 }],
    [
      'with less for a server that is busy',
      30,
      [server('a'), server('b', { inFlight: 1 })],
      { a: { rate: 10 }, b: { rate: 10 } },
      { a: 20, b: 10 },
    ],
    [
      'not when it takes only milliseconds anyway',
      20,
      [server('a'), server('b')],
      { a: { rate: 1000 }, b: { rate: 1000 } },
      {},
    ],
    [
      'not with a server that would need longer for one input than another for all',
      20,
      [server('a'), server('b')],
      { a: { rate: 100 }, b: { rate: 0.1 } },
      {},
    ],
    [
      'among the fast ones when one is very slow',
      20,
      [server('a'), server('b'), server('c')],
      { a: { rate: 10 }, b: { rate: 10 }, c: { rate: 0.1 } },
      { a: 10, b: 10 },
    ],
    [
      'with a server that loads faster than the others work',
      100,
      [server('a'), server('b', cold)],
      { a: { rate: 10 }, b: { rate: 10, loadS: 2 } },
      { a: 60, b: 40 },
    ],
    [
      'without a server that would still be loading',
      100,
      [server('a'), server('b', cold)],
      { a: { rate: 10 }, b: { rate: 10, loadS: 12 } },
      {},
    ],
    [
      'without a busy server whose load nobody knows',
      64,
      [server('a'), server('b', { ...cold, inFlight: 1 })],
      {},
      {},
    ],
    [
      'with idle servers that all have to load, when it is long',
      64,
      [server('a', cold), server('b', cold)],
      {},
      { a: 32, b: 32 },
    ],
    ['not when all have to load and it is short', 63, [server('a', cold), server('b', cold)], {}, {}],
  ])('%s', (_, count, servers, speeds, sizes) => {
    expect(plan(count, servers, speeds)).toEqual(sizes);
  });

  it('among eight servers at most', () => {
    const many = Array.from({ length: 20 }, (_, i) => server(`s${i}`));
    expect(Object.keys(plan(1000, many))).toHaveLength(8);
  });
});

describe('the speed of a server', () => {
  const run = { inputs: 10, ms: 1000, alone: true, loaded: true };

  it('is inputs a second, the latest runs counting most', () => {
    const rates = new EmbedRates();
    expect(rates.speed('a', KEY)).toEqual({ rate: undefined, loadS: undefined });
    rates.note('a', KEY, run);
    expect(rates.speed('a', KEY).rate).toBe(10);
    expect(rates.speed('b', KEY).rate).toBeUndefined();
    for (let i = 0; i < 10; i += 1) rates.note('a', KEY, { ...run, inputs: 40 });
    expect(rates.speed('a', KEY).rate).toBeGreaterThan(35);
  });

  it('is not learned beside other requests, and a load is told apart', () => {
    expect(withRun(undefined, { ...run, alone: false })).toBeUndefined();
    expect(withRun(undefined, { ...run, loaded: false })).toBeUndefined();
    const known = withRun(undefined, run);
    expect(withRun(known, { ...run, ms: 5000, loaded: false })).toEqual({ inputs: 10, seconds: 1, loadS: 4 });
  });

  it('is forgotten for the longest unused of very many', () => {
    const rates = new EmbedRates();
    for (let i = 0; i <= 1000; i += 1) rates.note(`s${i}`, KEY, run);
    expect(rates.speed('s0', KEY).rate).toBeUndefined();
    expect(rates.speed('s1', KEY).rate).toBe(10);
  });
});

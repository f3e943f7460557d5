import { describe, expect, it } from 'vitest';
import type { PoolServer } from '../src/fleet/pool.ts';
import { modelKey } from '../src/ollama/names.ts';
import { type TargetFacts, targetsFor } from '../src/routing/targets.ts';

function server(name: string, models: readonly string[] = [], more: Partial<PoolServer> = {}): PoolServer {
  return {
    deviceId: name,
    name,
    url: `http://${name}:11435`,
    kind: 'ollana',
    sources: ['static'],
    verdict: { state: 'reliable', sinceMs: 0 },
    version: '0.17.4',
    tags: [],
    ps: [],
    modelKeys: new Set(models.map(modelKey)),
    loadedKeys: new Set(),
    allowsManage: true,
    freeMemoryBytes: undefined,
    load: undefined,
    latencyMs: 1,
    inFlight: 0,
    ...more,
  };
}

const facts = (more: Partial<TargetFacts>): TargetFacts => ({
  routeClass: 'pinned',
  path: '/api/pull',
  model: undefined,
  unloads: false,
  source: undefined,
  named: undefined,
  home: undefined,
  ...more,
});

function names(more: Partial<TargetFacts>, pool: readonly PoolServer[]): readonly string[] | string {
  const targets = targetsFor(facts(more), pool);
  if (targets.type === 'nobody') return `${targets.status} ${targets.message}`;
  return targets.type === 'any' ? 'any' : targets.servers.map(({ name }) => name);
}

const DEAD = { state: 'unreliable', sinceMs: 0, cause: 'dial', reason: 'refused' } as const;

describe('a pull', () => {
  it('goes where most memory is free among those that allow it', () => {
    const pool = [
      server('unknown'),
      server('small', [], { freeMemoryBytes: 1 }),
      server('large', [], { freeMemoryBytes: 9 }),
      server('shut', [], { freeMemoryBytes: 99, allowsManage: false }),
      server('dead', [], { freeMemoryBytes: 99, verdict: DEAD }),
      server('mine', [], { freeMemoryBytes: 99, kind: 'local' }),
    ];
    expect(names({ model: 'x' }, pool)).toEqual(['large', 'small', 'unknown', 'mine']);
  });

  it('of a model that is there updates it there', () => {
    const pool = [server('large', [], { freeMemoryBytes: 9 }), server('has', ['x'])];
    expect(names({ model: 'X:latest' }, pool)).toEqual(['has']);
  });
});

describe('blobs', () => {
  it('that are uploaded side by side meet, however busy the server is with them', () => {
    const path = '/api/blobs/sha256:1';
    expect(names({ path }, [server('a', [], { inFlight: 5 }), server('b')])).toEqual(['a', 'b']);
  });

  it('and their create follow the first one', () => {
    const pool = [server('a', [], { freeMemoryBytes: 9 }), server('b')];
    for (const path of ['/api/blobs/sha256:1', '/api/create'])
      expect(names({ path, home: 'b' }, pool)).toEqual(['b']);
  });
});

describe('a copy or a push', () => {
  it.each([
    { path: '/api/copy', source: 'x' },
    { path: '/api/push', model: 'x' },
  ])('goes to a holder, one that refuses or is away rather than another ($path)', (request) => {
    expect(names(request, [server('a'), server('b', ['x'])])).toEqual(['b']);
    expect(names(request, [server('a'), server('b', ['x'], { allowsManage: false })])).toEqual(['b']);
    expect(names(request, [server('a'), server('b', ['x'], { verdict: DEAD })])).toEqual(['b']);
  });
});

describe('what spends an account', () => {
  const requests: Partial<TargetFacts>[] = [
    { routeClass: 'identity', path: '/api/me' },
    { routeClass: 'identity', path: '/api/signout' },
    { routeClass: 'inference', path: '/api/chat', model: 'x:cloud' },
    { routeClass: 'broadcast', path: '/api/delete', model: 'x:120b-cloud' },
    { path: '/api/copy', source: 'x:cloud' },
    { path: '/api/create', model: 'mine', source: 'x:cloud' },
  ];

  it.each(requests)('goes to this machine’s own Ollama only ($path)', (request) => {
    expect(names(request, [server('gpu', ['x:cloud']), server('mine', [], { kind: 'local' })])).toEqual([
      'mine',
    ]);
    expect(names(request, [server('gpu', ['x:cloud'])])).toMatch(/^503 .*own Ollama/);
  });

  it.each(requests)('does not go to a peer that is named either ($path)', (request) => {
    expect(names({ ...request, named: 'gpu' }, [server('gpu')])).toMatch(/^403 /);
    expect(names({ ...request, named: 'mine' }, [server('mine', [], { kind: 'local' })])).toEqual(['mine']);
  });
});

describe('a named server', () => {
  it.each(['GPU', 'http://gpu:11435', 'gpu:11435'])('is found as %s', (named) => {
    expect(names({ named }, [server('other'), server('gpu')])).toEqual(['gpu']);
  });

  it('that nobody knows is a 404 with those that are known', () => {
    expect(names({ named: 'x' }, [server('a'), server('b')])).toMatch(/^404 .*a, b$/);
    expect(names({ named: 'x' }, [])).toMatch(/^404 .*none has been found/);
  });
});

describe('delete and unload', () => {
  it.each<Partial<TargetFacts>>([
    { routeClass: 'broadcast', path: '/api/delete' },
    { routeClass: 'inference', path: '/api/generate', unloads: true },
  ])('reach every holder ($path)', (request) => {
    const pool = [server('a', ['x']), server('b'), server('c', ['x'])];
    expect(targetsFor(facts({ ...request, model: 'x' }), pool)).toMatchObject({ type: 'each' });
    expect(names({ ...request, model: 'x' }, pool)).toEqual(['a', 'c']);
  });
});

import { describe, expect, it } from 'vitest';
import type { PoolServer } from '../src/fleet/pool.ts';
import type { Verdict } from '../src/fleet/verdict-rules.ts';
import { modelKey } from '../src/ollama/names.ts';
import { rank, tierOf } from '../src/routing/policy.ts';
import { startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';
import { ask, chat } from './_simulate-client.ts';

interface Facts {
  readonly models?: readonly string[] | undefined;
  readonly loaded?: readonly string[];
  readonly state?: Verdict['state'];
  readonly inFlight?: number;
  readonly kind?: PoolServer['kind'];
}

function server(name: string, facts: Facts = {}): PoolServer {
  const { loaded = [], state = 'reliable', inFlight = 0, kind = 'ollama' } = facts;
  const models = 'models' in facts ? facts.models : ['x'];
  return {
    deviceId: name,
    name,
    url: `http://${name}`,
    kind,
    sources: ['static'],
    allowsManage: true,
    freeMemoryBytes: undefined,
    load: undefined,
    verdict: state === 'reliable' ? { state, sinceMs: 0 } : { state, sinceMs: 0, cause: 'dial', reason: 'r' },
    version: '0.17.4',
    tags: models?.map((one) => ({ name: one, key: modelKey(one), digest: '', modifiedAt: '', raw: {} })),
    ps: [],
    modelKeys: new Set(models?.map(modelKey)),
    loadedKeys: new Set(loaded.map(modelKey)),
    latencyMs: 1,
    inFlight,
  };
}

/** Names in order, for a request for `model`. */
function order(
  pool: readonly PoolServer[],
  model: string | undefined,
  tried: readonly string[] = [],
  turn = 0,
): string {
  const key = model === undefined ? undefined : modelKey(model);
  return rank(pool, { modelKey: key, tried: new Set(tried), turn })
    .map(({ server: { name } }) => name)
    .join(' ');
}

describe('the order of servers for a request', () => {
  it.each([
    {
      rule: 'leaves out those without the model',
      pool: [server('a', { models: ['y'] }), server('b')],
      is: 'b',
    },
    {
      rule: 'knows x and x:latest for one',
      pool: [server('a', { models: ['X:latest'] }), server('b', { models: ['x:7b'] })],
      is: 'a',
    },
    { rule: 'leaves out those that had their try', pool: [server('a'), server('b')], tried: ['a'], is: 'b' },
    {
      rule: 'puts those whose list is unknown behind those known to have it',
      pool: [server('a', { models: undefined }), server('b', { inFlight: 9 })],
      is: 'b a',
    },
    {
      rule: 'puts loaded before idle',
      pool: [server('a'), server('b', { loaded: ['x'], inFlight: 3 })],
      is: 'b a',
    },
    {
      rule: 'puts fewer in flight first',
      pool: [server('a', { inFlight: 2 }), server('b', { inFlight: 1 }), server('c', { inFlight: 3 })],
      is: 'b a c',
    },
    {
      rule: 'puts fewer in flight first among the loaded, then among the others',
      pool: [
        server('a', { loaded: ['x'], inFlight: 2 }),
        server('b', { inFlight: 1 }),
        server('c', { loaded: ['x'], inFlight: 1 }),
        server('d'),
      ],
      is: 'c a d b',
    },
    {
      rule: 'puts this machine’s own Ollama last, loaded or not',
      pool: [server('l', { kind: 'local', loaded: ['x'] }), server('a', { inFlight: 5 })],
      is: 'a l',
    },
    {
      rule: 'takes the unreliable only behind the reliable, and each before any has a second turn',
      pool: [
        server('s', { state: 'second-chance', loaded: ['x'] }),
        server('u', { state: 'unreliable', loaded: ['x'] }),
        server('r', { inFlight: 50 }),
      ],
      is: 'r u s',
    },
    { rule: 'is empty when nobody has it', pool: [server('a', { models: [] })], is: '' },
    { rule: 'is empty for an empty pool', pool: [], is: '' },
  ])('$rule', ({ pool, tried, is }) => {
    expect(order(pool, 'x', tried)).toBe(is);
  });

  it('without a model does not look at models', () => {
    expect(order([server('a', { models: [] }), server('b', { loaded: ['x'] })], undefined)).toBe('a b');
  });

  it('rotates equals, so that each comes first in its turn', () => {
    const pool = [server('a'), server('b'), server('c')];
    const first = [0, 1, 2, 3, 4, 5].map((turn) => order(pool, 'x', [], turn).split(' ')[0]);
    expect(new Set(first.slice(0, 3))).toEqual(new Set(['a', 'b', 'c']));
    expect(first.slice(3)).toEqual(first.slice(0, 3));
  });

  it('gives its reason', () => {
    const [best] = rank([server('a', { loaded: ['x'], inFlight: 2 })], {
      modelKey: modelKey('x'),
      tried: new Set(),
      turn: 0,
    });
    expect(best?.reason).toBe('loaded in-flight=2');
  });
});

describe('the tier of a server', () => {
  const x = modelKey('x');

  it('is used up by verdict, then by who has the model, then this machine’s own last', () => {
    const states = ['reliable', 'unreliable', 'second-chance'] as const;
    const inOrder = states.flatMap((state) => [
      server('has it', { state }),
      server('own, has it', { state, kind: 'local' }),
      server('may have it', { state, models: undefined }),
      server('own, may have it', { state, kind: 'local', models: undefined }),
    ]);
    const tiers = inOrder.map((one) => tierOf(one, x));
    expect(tiers).toEqual([...new Set(tiers)].sort((a, b) => a - b));
  });

  it('is the same however busy it is, and whether the model is loaded', () => {
    expect(tierOf(server('a', { loaded: ['x'], inFlight: 9 }), x)).toBe(tierOf(server('b'), x));
    expect(tierOf(server('a', { kind: 'ollana' }), x)).toBe(tierOf(server('b'), x));
  });

  it('does not look at models without one', () => {
    expect(tierOf(server('a', { models: undefined }), undefined)).toBe(0);
    expect(tierOf(server('a', { models: [] }), undefined)).toBe(0);
  });
});

describe('requests over a fleet', () => {
  it('spread over equal servers, one each', async () => {
    const models = [{ name: 'slow', tokensPerSecond: 20 }];
    await using cluster = await startCluster({ ollamas: [{ models }, { models }, { models }] });
    const answers = await Promise.all(
      [1, 2, 3].map(() => ask(cluster, '/api/chat', chat('slow', 'x', { stream: false }))),
    );
    expect(answers.map(({ headers }) => headers['x-ollana-server']).sort()).toEqual(['a', 'b', 'c']);
  });

  it('go to the only holder, however busy', async () => {
    const held = [{ name: 'held', tokensPerSecond: 200 }];
    await using cluster = await startCluster({ ollamas: [{ models: held }, {}, {}] });
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => ask(cluster, '/api/chat', chat('held:latest', 'x'))),
    );
    expect(answers.map(({ headers }) => headers['x-ollana-server'])).toEqual(['a', 'a', 'a', 'a']);
  });

  it('do not use this machine’s own Ollama while another can, but do when none can', async () => {
    await using own = await startCluster();
    await using cluster = await startCluster({
      client: { localFallback: true, ollama: own.ollamas[0]!.url },
    });
    await until(5000, 'the own Ollama to be known', () => cluster.client.status().servers.length === 2);
    for (let i = 0; i < 3; i += 1) {
      expect((await ask(cluster, '/api/chat', chat('simulated', 'x'))).headers['x-ollana-server']).toBe('a');
    }
    await cluster.ollamas[0]!.stop();
    const answer = await ask(cluster, '/api/chat', chat('simulated', 'x'));
    expect(answer).toMatchObject({ status: 200, headers: { 'x-ollana-server': 'this machine' } });
  });

  it('give every unreliable server its turn before one gets a second', async () => {
    await using cluster = await startCluster({ ollamas: [{}, {}, {}] });
    for (const one of cluster.ollamas) one.faults.set({ kind: 'cut', afterLines: 2 });
    const served: (string | undefined)[] = [];
    for (let i = 0; i < 6; i += 1) {
      const answer = await ask(cluster, '/api/chat', chat('simulated', 'x'));
      served.push(answer.headers['x-ollana-server'] as string);
    }
    expect(served.slice(0, 3).sort()).toEqual(['a', 'b', 'c']);
    expect(served.slice(3).sort()).toEqual(['a', 'b', 'c']);
  });
});

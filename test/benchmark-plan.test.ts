import { describe, expect, it } from 'vitest';
import { benchmarkTable, historyText, planText } from '../src/cli/benchmark/table.ts';
import { columnsOf } from '../src/cli/text.ts';
import type { PoolServer } from '../src/fleet/pool.ts';
import { countersOf, figuresOf, type Sample } from '../src/observe/benchmark/figures.ts';
import { MOST_ROWS, MOST_RUNS, newestRuns, readRuns } from '../src/observe/benchmark/kept.ts';
import { planOf } from '../src/observe/benchmark/plan.ts';
import { PROMPTS, promptText } from '../src/observe/benchmark/prompts.ts';
import type { BenchmarkRow, BenchmarkRun } from '../src/observe/benchmark/run.ts';
import { modelKey } from '../src/ollama/names.ts';

interface Held {
  readonly name: string;
  readonly size?: number;
  readonly loaded?: boolean;
  readonly raw?: Readonly<Record<string, unknown>>;
}

function server(name: string, models: readonly Held[], more: Partial<PoolServer> = {}): PoolServer {
  const keyed = models.map((model) => ({ ...model, key: modelKey(model.name) }));
  return {
    deviceId: `id-${name}`,
    name,
    url: `http://${name}:11434`,
    kind: 'ollama',
    sources: ['static'],
    verdict: { state: 'reliable', sinceMs: 0 },
    version: '0.17.4',
    tags: keyed.map(({ name: one, key, size, raw }) => ({
      name: one,
      key,
      digest: '',
      modifiedAt: '',
      raw: { size, ...raw },
    })),
    ps: [],
    modelKeys: new Set(keyed.map(({ key }) => key)),
    loadedKeys: new Set(keyed.filter(({ loaded }) => loaded).map(({ key }) => key)),
    load: undefined,
    allowsManage: true,
    freeMemoryBytes: undefined,
    latencyMs: 1,
    inFlight: 0,
    ...more,
  };
}

const ALL = { models: [], servers: [], rounds: 1 };
const nothing = () => undefined;
const pairs = (...args: Parameters<typeof planOf>) =>
  planOf(...args).targets.map((one) => `${one.model}@${one.server}`);

describe('the plan of a benchmark', () => {
  it('is every model that can chat, at every server, those in memory first', () => {
    const pool = [
      server('b', [{ name: 'x:latest' }]),
      server('a', [
        { name: 'x:latest' },
        { name: 'y:latest', loaded: true },
        { name: 'embed:latest', raw: { details: { family: 'nomic-bert' } } },
        { name: 'gemma-embed:latest', raw: { capabilities: ['embedding'] } },
        { name: 'big:120b-cloud' },
        { name: 'far:latest', raw: { remote_host: 'https://ollama.com:443' } },
      ]),
    ];
    expect(pairs(ALL, pool, nothing)).toEqual(['y:latest@a', 'x:latest@a', 'x:latest@b']);
  });

  it('leaves this machine out unless it is named, or there is no other', () => {
    const local = server('laptop', [{ name: 'x:latest' }], { kind: 'local' });
    const pool = [local, server('a', [{ name: 'x:latest' }])];
    expect(pairs(ALL, pool, nothing)).toEqual(['x:latest@a']);
    expect(pairs({ ...ALL, servers: ['Laptop'] }, pool, nothing)).toEqual(['x:latest@laptop']);
    expect(pairs(ALL, [local], nothing)).toEqual(['x:latest@laptop']);
  });

  it('says what it takes by what is known, else by size', () => {
    const pool = [
      server('a', [{ name: 'x:latest', loaded: true }]),
      server('b', [{ name: 'x:latest', size: 20e9 }]),
    ];
    const known = { decodeMsPerToken: 100, prefillMsPerToken: 10, loadMs: 1 };
    const loadOf = ({ name }: PoolServer) =>
      name === 'a' ? { models: { [modelKey('x')]: { ...NO_LOAD, ...known } }, atWork: [] } : undefined;
    const plan = planOf({ ...ALL, rounds: 2 }, pool, loadOf);
    const of = (kind: 'aboutTokens' | 'maxTokens') => PROMPTS.reduce((sum, one) => sum + one[kind], 0);
    expect(plan.targets[0]?.aboutMs).toBe(2 * (of('aboutTokens') * 10 + of('maxTokens') * 100));
    expect(plan.targets[1]).toMatchObject({ cold: true });
    expect(plan.targets[1]?.aboutMs).toBeGreaterThan(20_000);
    expect(plan).toMatchObject({ servers: 2, loads: 1 });
    expect(plan.gpuMs).toBe((plan.targets[0]?.aboutMs ?? 0) + (plan.targets[1]?.aboutMs ?? 0));
    expect(plan.tookMs).toBeLessThan(plan.gpuMs);
    expect(planText(plan)).toMatch(/^This uses GPU time: .* for 2 models at 2 servers/);
    expect(planText(plan)).toMatch(/One has to\s+be loaded/);
  });

  it.each([
    [{ ...ALL, models: ['nope'] }, /no model is called nope at a: `ollana models`/],
    [{ ...ALL, models: ['embed'] }, /embed has no speed to measure/],
    [{ ...ALL, servers: ['z'] }, /no server is called z: known are a, dead/],
    [{ ...ALL, servers: ['dead'] }, /dead does not answer \(refused\)/],
  ])('refuses %j', (order, message) => {
    const pool = [
      server('a', [{ name: 'x' }, { name: 'embed', raw: { details: { family: 'bert' } } }]),
      server('dead', [{ name: 'x' }], {
        verdict: { state: 'unreliable', sinceMs: 0, cause: 'dial', reason: 'refused' },
      }),
    ];
    expect(() => planOf(order, pool, nothing)).toThrow(message);
  });

  it('is bounded', () => {
    const many = Array.from({ length: 201 }, (_, at) => ({ name: `m${at}` }));
    expect(() => planOf(ALL, [server('a', many)], nothing)).toThrow(
      /that is 201 models .* takes 200 at most/,
    );
  });
});

const NO_LOAD = {
  slots: 1,
  active: 0,
  queued: 0,
  backlogMs: 0,
  recentMs: 0,
  loaded: false,
  loading: false,
  loadMs: null,
  evictsMs: 0,
  evicts: [],
  decodeMsPerToken: null,
  prefillMsPerToken: null,
  outputTokens: null,
  numCtx: null,
};

describe('prompts', () => {
  it('begin with another word each time, since what was read before is not read again', () => {
    for (const { kind, aboutTokens } of PROMPTS) {
      const [one, other] = [promptText(kind, 'aa'), promptText(kind, 'bb')];
      expect(one.slice(0, 9)).not.toBe(other.slice(0, 9));
      // Four characters a token.
      expect(one.length / 4 / aboutTokens).toBeGreaterThan(0.5);
      expect(one.length / 4 / aboutTokens).toBeLessThan(1.5);
    }
  });
});

describe('figures', () => {
  const sample = (more: Partial<Sample>): Sample => ({
    kind: 'chat',
    cold: false,
    firstTokenMs: 100,
    shared: false,
    counters: {},
    ...more,
  });

  it('are medians, each of the prompt made for it; a cold start is only a load', () => {
    const writing = (outputMs: number) =>
      sample({ kind: 'writing', counters: { outputTokens: 100, outputMs } });
    const figures = figuresOf([
      sample({ cold: true, firstTokenMs: 9000, counters: { loadMs: 8000 } }),
      ...[100, 300, 120].map((firstTokenMs) => sample({ firstTokenMs, counters: { loadMs: 70 } })),
      sample({ kind: 'reading', counters: { promptTokens: 1000, promptMs: 500 } }),
      ...[1000, 2000, 4000].map(writing),
    ]);
    expect(figures).toEqual({
      firstTokenMs: 120,
      prefillPerS: 2000,
      decodePerS: 50,
      loadMs: 8000,
      shared: false,
    });
  });

  it('are unknown where a server tells nothing, or nonsense', () => {
    const counters = { promptTokens: 1e9, promptMs: 1e-9, outputTokens: 1, outputMs: 0 };
    expect(figuresOf([sample({ kind: 'reading', counters }), sample({ kind: 'writing', counters })])).toEqual(
      { firstTokenMs: null, prefillPerS: null, decodePerS: null, loadMs: null, shared: false },
    );
  });

  it.each([
    ['{"message":{"content":"a"},"done":false}\n', 'broke off'],
    ['{"done":false}\n{"error":"out of memory"}\n', 'out of memory'],
    ['', 'broke off'],
    ['{"done":tr', 'broke off'],
  ])('are not taken from %j', (tail, why) => {
    expect(() => countersOf(tail, 'application/x-ndjson')).toThrow(why);
  });
});

const ROW: BenchmarkRow = {
  server: 'attic',
  deviceId: 'id',
  model: 'llama3.2:latest',
  state: 'done',
  asked: 3,
  toAsk: 3,
  firstTokenMs: 123,
  prefillPerS: 1234.5,
  decodePerS: 45.67,
  loadMs: null,
  shared: false,
  error: null,
};
const RUN: BenchmarkRun = {
  id: 'one',
  startedAt: '2026-11-22T03:00:00.000Z',
  endedAt: '2026-11-22T03:01:00.000Z',
  state: 'done',
  rounds: 1,
  rows: [ROW],
};

describe('the table', () => {
  it('has 80 columns at most, and no control characters, whatever names are like', () => {
    const bad = `\u001b[2J${'名'.repeat(90)}\u202e`;
    const rows = [
      { ...ROW, server: bad, model: bad, shared: true, firstTokenMs: 1e9, prefillPerS: 1e6, decodePerS: 1e6 },
      { ...ROW, server: bad, model: bad, state: 'failed' as const, error: bad },
    ];
    const text = historyText([{ ...RUN, state: 'cancelled', rounds: 3, rows }]);
    for (const line of text.split('\n')) expect(columnsOf(line)).toBeLessThanOrEqual(80);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(text).toMatch(/^failed:/m);
    expect(text).toMatch(/Partial: it was cancelled/);
    expect(text).toMatch(/^\* others used the server/m);
  });

  it('shows what was measured', () => {
    expect(benchmarkTable(RUN)).toMatch(/^attic +llama3\.2:latest +0\.12s +1235 +45\.7 +- ok$/m);
    expect(benchmarkTable(RUN)).not.toMatch(/Partial|Medians/);
    expect(historyText([])).toMatch(/No benchmark has been run yet/);
  });
});

describe('the history', () => {
  it('keeps the newest runs, bounded in runs and lines', () => {
    const run = (id: number, rows = 1): BenchmarkRun => ({
      ...RUN,
      id: String(id),
      rows: Array.from({ length: rows }, () => ROW),
    });
    const many = Array.from({ length: MOST_RUNS + 5 }, (_, at) => run(at));
    expect(newestRuns(many).map(({ id }) => id)).toEqual(many.slice(0, MOST_RUNS).map(({ id }) => id));
    const wide = Array.from({ length: 20 }, (_, at) => run(at, 200));
    expect(newestRuns(wide)).toHaveLength(MOST_ROWS / 200);
  });

  it('reads back what it wrote, and leaves out what is none', () => {
    const runs = [RUN, { ...RUN, id: 7 }, { ...RUN, state: 'running' }, null, { ...RUN, rows: [{}, ROW] }];
    const read = readRuns(JSON.parse(JSON.stringify({ version: 1, runs })));
    expect(read).toEqual([
      { ...RUN, rows: [{ ...ROW, decodePerS: 45.7 }] },
      { ...RUN, rows: [{ ...ROW, decodePerS: 45.7 }] },
    ]);
    expect(() => readRuns({ version: 2, runs: [] })).toThrow('version');
  });
});

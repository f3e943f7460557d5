import { describe, expect, it } from 'vitest';
import { wrong } from '../scripts/bench/fleet/ask.ts';
import { readFleetConfig } from '../scripts/bench/fleet/config.ts';
import { figuresOf, verdictsOf } from '../scripts/bench/fleet/figures.ts';
import { runTable } from '../scripts/bench/fleet/report.ts';
import { earliestFinish, earliestHolder, leastConnections } from '../scripts/fleet/choosers.ts';
import { GpuModel } from '../scripts/fleet/gpu-model.ts';
import { bestPlacement } from '../scripts/fleet/placement.ts';
import { replay } from '../scripts/fleet/replay.ts';
import { type Arrival, decodingShare, uncachedMs, workloadOf } from '../scripts/fleet/workload.ts';
import { type FleetModel, type FleetWorld, WORLDS } from '../scripts/fleet/world.ts';
import { VirtualClock } from '../scripts/sim/virtual-clock.ts';
import { promptOf } from '../src/simulate/prompt.ts';
import { countTokens } from '../src/simulate/tokens.ts';

const { main } = WORLDS;
const OPTIONS = { seed: 1, load: 0.8, arrivals: 240, drift: false };

const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);

const model = (name: string): FleetModel => ({
  name,
  loadMs: 1000,
  size: 1,
  decodeMsPerToken: 10,
  prefillMsPerToken: 1,
});
const [A, B] = [model('a'), model('b')];
const job = (of: FleetModel, outputTokens: number, conversation = 'one') => ({
  model: of,
  conversation,
  promptTokens: 1,
  prefixTokens: 0,
  outputTokens,
});

describe('the workload', () => {
  it('is the same for the same seed and another for another', () => {
    expect(workloadOf(main, OPTIONS)).toEqual(workloadOf(main, OPTIONS));
    expect(workloadOf(main, { ...OPTIONS, seed: 2 })).not.toEqual(workloadOf(main, OPTIONS));
  });

  it('counts tokens as the simulated Ollama does', () => {
    for (const { messages, job: asked, answer } of workloadOf(main, OPTIONS)) {
      expect(asked.promptTokens).toBe(countTokens(promptOf(messages).text));
      expect(asked.outputTokens).toBe(countTokens(answer));
    }
  });

  it('continues conversations with the answers they got', () => {
    const seen = new Map<string, Arrival>();
    for (const arrival of workloadOf(main, OPTIONS)) {
      const before = seen.get(arrival.job.conversation);
      const expected = before
        ? [...before.messages, { role: 'assistant', content: before.answer }]
        : ([] as unknown[]);
      expect(arrival.messages.slice(0, -1)).toEqual(expected);
      seen.set(arrival.job.conversation, arrival);
    }
    expect(Math.max(...[...seen.values()].map(({ messages }) => messages.length))).toBeGreaterThan(9);
  });

  it('asks for as much as the load says', () => {
    const arrivals = workloadOf(main, { ...OPTIONS, arrivals: 5000 });
    const gpuMs = (arrivals.at(-1)?.at ?? 0) * 7;
    expect(sum(arrivals.map(({ job: one }) => uncachedMs(one))) / gpuMs).toBeCloseTo(0.8, 1);
    expect(decodingShare(main, arrivals)).toBeCloseTo(0.65, 1);
  });

  it('changes half-way which model is popular', () => {
    const arrivals = workloadOf(main, { ...OPTIONS, drift: true });
    const share = (name: string, half: readonly Arrival[]) =>
      half.filter((one) => one.job.model.name === name).length / half.length;
    expect(share('small', arrivals.slice(0, 120))).toBeGreaterThan(0.5);
    expect(share('large', arrivals.slice(120))).toBeGreaterThan(0.5);
  });
});

describe('the model of a GPU', () => {
  const ends = (memory: number, jobs: readonly [number, ReturnType<typeof job>][]) => {
    const clock = new VirtualClock();
    const gpu = new GpuModel(clock, { speed: 1, memory });
    const at: number[] = [];
    jobs.forEach(([ms, one], i) => {
      clock.after(ms, () => void gpu.start(one, () => (at[i] = Math.round(clock.now()))));
    });
    clock.run(() => at.filter(Boolean).length === jobs.length);
    return { at, loads: gpu.loads };
  };

  it.each([
    ['loads, reads, writes', 2, [[0, job(A, 10)]], [1101], 1],
    [
      'runs one request of a model at a time',
      2,
      [
        [0, job(A, 10)],
        [0, job(A, 10, 'two')],
      ],
      [1101, 1202],
      1,
    ],
    [
      'reads again only what is new',
      2,
      [
        [0, job(A, 10)],
        [0, { ...job(A, 10), promptTokens: 50, prefixTokens: 11 }],
      ],
      [1101, 1240],
      1,
    ],
    [
      'shares itself between models',
      2,
      [
        [0, job(A, 10)],
        [1101, job(B, 10)],
        [2101, job(A, 20)],
      ],
      [1101, 2303, 2403],
      2,
    ],
    [
      'pushes a model out only when it is idle',
      1,
      [
        [0, job(A, 10)],
        [1050, job(B, 10)],
      ],
      [1101, 2202],
      2,
    ],
  ] as const)('%s', (_what, memory, jobs, at, loads) => {
    expect(ends(memory, jobs as unknown as [number, ReturnType<typeof job>][])).toEqual({ at, loads });
  });

  it('takes the word of the real one that a request has ended', () => {
    const clock = new VirtualClock();
    const gpu = new GpuModel(clock, { speed: 1, memory: 1 }, [A]);
    let ended = 0;
    const end = gpu.start(job(A, 10), () => (ended += 1));
    end();
    end();
    expect([ended, gpu.inFlight, gpu.workMs({ ...job(A, 0), promptTokens: 11, prefixTokens: 11 })]).toEqual([
      1, 0, 1,
    ]);
  });
});

describe('the references', () => {
  const tiny: FleetWorld = {
    name: 'main',
    gpus: [
      { speed: 1, memory: 1 },
      { speed: 1, memory: 1 },
    ],
    models: [A, B],
    apps: [],
  };
  const arrival = (at: number, of: FleetModel, tokens: number): Arrival => ({
    at,
    app: 0,
    job: job(of, tokens, `${at}`),
    messages: [],
    answer: '',
  });

  it('hindsight gives the GPUs the models that the workload asks for, and loads nothing', () => {
    const busy = [0, 1, 2, 3].map((at) => arrival(at, A, 100));
    const place = bestPlacement(tiny, [...busy, arrival(9000, B, 1)], 0);
    expect(place.map((held) => held.map(({ name }) => name)).sort()).toEqual([['a'], ['b']]);
    expect(replay(tiny, busy, earliestHolder, place).loads).toBe(0);
  });

  it('earliest finish waits rather than load when that is sooner', () => {
    const two = [arrival(0, A, 100), arrival(1, A, 10)];
    expect(replay(tiny, two, earliestFinish, [[A], [B]]).loads).toBe(0);
    const longer = [arrival(0, A, 300), arrival(1, A, 10)];
    expect(replay(tiny, longer, earliestFinish, [[A], [B]]).loads).toBe(1);
  });

  it('least connections does not ask what is loaded', () => {
    const two = [arrival(0, A, 100), arrival(1, A, 10)];
    expect(replay(tiny, two, leastConnections, [[A], [B]]).loads).toBe(1);
  });

  it('in the main world go as the bounds were set for', () => {
    const arrivals = workloadOf(main, OPTIONS);
    const mean = (ms: readonly number[]) => ms.reduce((sum, one) => sum + one, 0) / ms.length;
    const best = mean(replay(main, arrivals, earliestHolder, bestPlacement(main, arrivals, 0)).ms);
    expect(mean(replay(main, arrivals, earliestFinish).ms)).toBeGreaterThan(1.5 * best);
    expect(mean(replay(main, arrivals, leastConnections).ms)).toBeGreaterThan(3.6 * best);
  });
});

describe('the figures', () => {
  const outcome = (ms: number, failure?: string) => ({
    ms,
    failure,
    server: undefined,
    reason: undefined,
    attempts: 1,
    queueMs: ms > 1500 ? 5 : 0,
  });
  const ours = figuresOf('ollana', [outcome(1000), outcome(2000), outcome(9000, 'status 503: busy')], 11);

  it('leave out what failed, and count it', () => {
    expect(ours).toEqual({
      name: 'ollana',
      mean: 1.5,
      p50: 1,
      p95: 2,
      loads: 11,
      failed: 1,
      failure: 'status 503: busy',
      atLeast: false,
      waited: 2,
    });
  });

  it('are held against hindsight and least connections of the same run', () => {
    const all = [
      ours,
      figuresOf('hindsight', [outcome(1000)], 0),
      figuresOf('least-connections', [outcome(4000)], 90),
    ];
    expect(verdictsOf(main, all).map(({ label, met }) => [label, met])).toEqual([
      ['mean/hindsight', true],
      ['p95/hindsight', true],
      ['mean/least', true],
      ['loads', false],
      ['failed', false],
    ]);
    const run = { load: 0.8, decoding: 0.65, seed: 1, counted: 3, seconds: 30, figures: all, requests: {} };
    const [, hindsight = ours] = all;
    const text = runTable(
      { ...run, computed: hindsight, verdicts: verdictsOf(main, all) },
      { world: 'main', clients: 3, drift: false },
    );
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(text).toContain('NOT MET');
    expect(text).toContain('ollana: status 503: busy');
  });

  it('know a whole answer from one that only ended', () => {
    const line = (content: string, done: boolean) => `${JSON.stringify({ message: { content }, done })}\n`;
    expect(wrong(200, line(' yes', false) + line('', true), ' yes')).toBeUndefined();
    expect(wrong(200, line(' yes', false), ' yes')).toMatch(/done/);
    expect(wrong(200, line(' no', false) + line('', true), ' yes')).toMatch(/words/);
    expect(wrong(200, `${line(' yes', false)}{"mess`, ' yes')).toMatch(/NDJSON/);
    expect(wrong(503, 'busy', ' yes')).toBe('status 503: busy');
  });
});

describe('the options of the fleet benchmark', () => {
  it('are read', () => {
    const argv = [
      '--load',
      '0.7',
      '--seeds',
      '4,5',
      '--clients',
      '6',
      '--world',
      'six',
      '--also',
      'olla=http://x:1',
    ];
    expect(readFleetConfig(argv)).toMatchObject({
      world: 'six',
      loads: [0.7],
      seeds: [4, 5],
      clients: 6,
      also: [{ name: 'olla', url: 'http://x:1' }],
    });
  });

  it.each([
    [['--world', 'flat'], /--world is one of/],
    [['--load', '0.6,x'], /--load takes numbers/],
    [['--seeds', '1.5'], /--seeds takes whole/],
    [['--clients', '9'], /--clients/],
    [['--also', 'olla'], /--also is NAME=URL/],
    [['--drift', '--arrivals', '5'], /--arrivals/],
  ])('%j are refused', (argv, words) => {
    expect(() => readFleetConfig(argv)).toThrow(words);
  });
});

import { describe, expect, it } from 'vitest';
import { type ModelLoad, serverLoad } from '../src/fleet/load.ts';
import { assumedCost } from '../src/routing/assumed-cost.ts';
import { ORDINARY_LOAD } from '../src/routing/demand.ts';
import { type Estimate, estimate, UNLOADED, type WorkAsked } from '../src/routing/finish.ts';

const ASSUMED = { decodeMsPerToken: 10, prefillMsPerToken: 2, loadMs: 3000, outputTokens: 50 };

/** 100 tokens to read and 90 to write: 1000 ms of the GPU alone. */
const LEARNED = { decodeMsPerToken: 10, prefillMsPerToken: 1, outputTokens: 90, loadMs: 2000 };
const COLD: Partial<ModelLoad> = LEARNED;
const WARM: Partial<ModelLoad> = { ...LEARNED, loaded: true, numCtx: 0 };
const ASKED: WorkAsked = { model: 'x', promptTokens: 100, maxOutputTokens: undefined, numCtx: undefined };

interface Row {
  readonly of: string;
  readonly x?: Partial<ModelLoad>;
  /** Backlogs of other models. */
  readonly others?: readonly number[];
  readonly ask?: Partial<WorkAsked>;
  readonly is: Partial<Estimate>;
}

describe('when a request would end', () => {
  it.each<Row>([
    { of: 'a free warm slot', x: WARM, is: { finishMs: 1000, immediateMs: 1000, warm: true, free: true } },
    {
      of: 'a busy slot: after what runs',
      x: { ...WARM, active: 1, backlogMs: 400 },
      is: { finishMs: 1400, immediateMs: 1000, warm: true, free: false },
    },
    {
      of: 'a queue: after all of it',
      x: { ...WARM, active: 1, queued: 2, backlogMs: 2500 },
      is: { finishMs: 3500, immediateMs: 1000, free: false },
    },
    {
      of: 'one free slot of several: at once, beside the others',
      x: { ...WARM, slots: 4, active: 3, backlogMs: 3000 },
      is: { finishMs: 1900, free: true },
    },
    {
      of: 'several slots, all busy: the queue moves by as many at once',
      x: { ...WARM, slots: 4, active: 4, queued: 4, backlogMs: 6000 },
      is: { finishMs: 2500, immediateMs: 1000, free: false },
    },
    {
      of: 'a slot that is free while others wait for it: theirs',
      x: { ...WARM, slots: 2, active: 1, queued: 1, backlogMs: 2000 },
      is: { finishMs: 2000, free: false },
    },
    {
      of: 'a GPU shared with less work: after both',
      x: WARM,
      others: [300],
      is: { finishMs: 1300, immediateMs: 1300, free: true },
    },
    {
      of: 'a GPU shared with more work: half as fast',
      x: WARM,
      others: [9000],
      is: { finishMs: 2000, immediateMs: 2000 },
    },
    { of: 'a GPU shared with several', x: WARM, others: [300, 9000, 500, 0], is: { finishMs: 2800 } },
    {
      of: 'a queue on a shared GPU: those ahead share it as well',
      x: { ...WARM, active: 1, backlogMs: 1500 },
      others: [2000, 4000],
      is: { finishMs: 2500 + 2000 + 2500, immediateMs: 3000 },
    },
    {
      of: 'a load into free memory: its time',
      x: COLD,
      is: { finishMs: 3000, immediateMs: 3000, warm: false, free: false },
    },
    {
      of: 'a load that pushes others out: two and a half times its own and theirs',
      x: { ...COLD, evictsMs: 500 },
      is: { finishMs: 2.5 * 2500 + 1000, immediateMs: 7250 },
    },
    {
      of: 'a load on a shared GPU: it comes after all that waits there',
      x: COLD,
      others: [9000],
      is: { finishMs: 2000 + 1000 + 9000, immediateMs: 12_000 },
    },
    {
      of: 'a model being loaded: warm, not free, and the load is in its backlog',
      x: { ...COLD, loading: true, active: 1, backlogMs: 3000 },
      is: { finishMs: 4000, immediateMs: 1000, warm: true, free: false },
    },
    {
      of: 'another context: a load that pushes out the present one',
      x: { ...WARM, numCtx: 4096 },
      ask: { numCtx: 8192 },
      is: { finishMs: 2.5 * 4000 + 1000, warm: false, free: false },
    },
    {
      of: 'no context after one that was given: a load as well',
      x: { ...WARM, numCtx: 4096 },
      is: { finishMs: 11_000, warm: false, free: false },
    },
    {
      of: 'a context after none: a load as well',
      x: WARM,
      ask: { numCtx: 4096 },
      is: { finishMs: 11_000, warm: false },
    },
    {
      of: 'the same context',
      x: { ...WARM, numCtx: 4096 },
      ask: { numCtx: 4096 },
      is: { finishMs: 1000, free: true },
    },
    {
      of: 'a context nobody knows: taken to fit',
      x: { ...WARM, numCtx: null },
      ask: { numCtx: 4096 },
      is: { finishMs: 1000, free: true },
    },
    {
      of: 'a limit below the usual answer',
      x: WARM,
      ask: { maxOutputTokens: 10 },
      is: { finishMs: 100 + 100 },
    },
    {
      of: 'a limit above the usual answer: the usual one',
      x: WARM,
      ask: { maxOutputTokens: 5000 },
      is: { finishMs: 1000 },
    },
    { of: 'a limit of none', x: WARM, ask: { maxOutputTokens: 0 }, is: { finishMs: 100 } },
    {
      of: 'nothing to read: only the answer',
      x: WARM,
      ask: { promptTokens: 0 },
      is: { finishMs: 900 },
    },
    {
      of: 'a loaded model of unknown cost: assumed',
      x: { loaded: true, numCtx: 0 },
      is: { finishMs: 200 + 500, free: true },
    },
    {
      of: 'a model that is known only in part: the rest assumed',
      x: { loaded: true, numCtx: 0, decodeMsPerToken: 1 },
      is: { finishMs: 200 + 50 },
    },
    {
      of: 'a model of unknown load time: assumed',
      x: { ...COLD, loadMs: null, evictsMs: 1000 },
      is: { finishMs: 2.5 * 4000 + 1000 },
    },
    {
      of: 'a model that nothing is told of',
      is: { finishMs: 3700, immediateMs: 3700, warm: false, free: false },
    },
  ])('is told of $of', ({ x, others = [], ask, is }) => {
    const models: Record<string, ModelLoad> = {};
    if (x) models.x = { ...UNLOADED, ...x };
    for (const [i, backlogMs] of others.entries()) models[`o${i}`] = { ...UNLOADED, loaded: true, backlogMs };
    expect(estimate(serverLoad(models), { ...ASKED, ...ask }, ASSUMED)).toMatchObject(is);
  });

  it.each([
    { of: 'what nobody else has', weight: { ...ORDINARY_LOAD, scarcity: 2 }, ms: 2.5 * (2000 + 2 * 500) },
    { of: 'a crowd that waits for it', weight: { ...ORDINARY_LOAD, rush: 0.8 }, ms: 0.8 * 2.5 * 2500 },
    {
      of: 'a crowd so large that the load itself is all that counts',
      weight: { ...ORDINARY_LOAD, rush: 0.1 },
      ms: 2000,
    },
    {
      of: 'a load of what others have already',
      weight: { ...ORDINARY_LOAD, rush: 0.1, again: 1.5 },
      ms: 3000,
    },
  ])('counts with $of', ({ weight, ms }) => {
    const load = serverLoad({ x: { ...UNLOADED, ...COLD, evictsMs: 500 } });
    expect(estimate(load, ASKED, ASSUMED, weight).finishMs).toBe(ms + 1000);
  });

  it('is assumed for a server that tells nothing', () => {
    expect(estimate(undefined, ASKED, ASSUMED)).toEqual({
      ...{ finishMs: 3700, immediateMs: 3700, priceMs: 3000, warm: false, free: false },
    });
  });
});

describe('what is assumed of a cost', () => {
  it('is what was learned here, else elsewhere, else what is ordinary', () => {
    const here = { decodeMsPerToken: 1 };
    const elsewhere = { decodeMsPerToken: 2, prefillMsPerToken: 3 };
    const cost = assumedCost(here, elsewhere, undefined);
    expect(cost).toMatchObject({ decodeMsPerToken: 1, prefillMsPerToken: 3 });
    expect(assumedCost(undefined, undefined, undefined)).toMatchObject({
      ...{ loadMs: cost.loadMs, outputTokens: cost.outputTokens },
    });
  });

  it('takes a model’s size for its speed where none was seen', () => {
    const [small, large] = [assumedCost(undefined, undefined, 1e9), assumedCost(undefined, undefined, 40e9)];
    expect(large.decodeMsPerToken / small.decodeMsPerToken).toBeCloseTo(40);
    // An 8B model on an ordinary GPU: 50 to 100 tokens a second written, 1000 to 2000 read.
    const usual = assumedCost(undefined, undefined, 4.9e9);
    expect(1000 / usual.decodeMsPerToken).toBeGreaterThan(50);
    expect(1000 / usual.decodeMsPerToken).toBeLessThan(100);
    expect(1000 / usual.prefillMsPerToken).toBeGreaterThan(1000);
    expect(1000 / usual.prefillMsPerToken).toBeLessThan(2000);
  });

  it('takes a model’s size for its load time where none was seen', () => {
    expect(assumedCost(undefined, undefined, 4e9).loadMs).toBe(4000);
    expect(assumedCost(undefined, { loadMs: 7 }, 4e9).loadMs).toBe(7);
    expect(assumedCost({ loadMs: 5 }, { loadMs: 7 }, 4e9).loadMs).toBe(5);
  });
});

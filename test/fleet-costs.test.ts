import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CostFile } from '../src/fleet/cost-file.ts';
import { type CostSample, NO_COST, nextCost } from '../src/fleet/cost-rules.ts';
import { Costs } from '../src/fleet/costs.ts';
import { steppedClock } from './_simulate-client.ts';

const after = (...samples: Partial<CostSample>[]) =>
  samples.reduce((cost, sample) => nextCost(cost, { sharing: 1, ...sample }), NO_COST);
const decode = (ms: number) => ({ outputTokens: 100, outputMs: 100 * ms });
const prefill = (ms: number) => ({ promptTokens: 1000, promptMs: 1000 * ms });

test('rates are those of a GPU that runs nothing else', () => {
  expect(after({ ...decode(30), sharing: 3 }).decodeMsPerToken).toBeCloseTo(10);
});

test('one outlier moves little, a change shows soon', () => {
  const steady = Array.from({ length: 20 }, () => decode(10));
  expect(after(...steady, decode(1000)).decodeMsPerToken).toBeLessThan(12);
  expect(after(...steady, ...steady.map(() => decode(20))).decodeMsPerToken).toBeGreaterThan(18);
});

test('cached and short prompts say nothing of the rate', () => {
  expect(after(prefill(0.01), prefill(2)).prefillMsPerToken).toBeCloseTo(2);
  const hits = Array.from({ length: 9 }, () => prefill(0.01));
  expect(after(prefill(2), prefill(2), prefill(2), ...hits).prefillMsPerToken).toBeGreaterThan(1.8);
  expect(after({ promptTokens: 5, promptMs: 900 })).toBe(NO_COST);
});

test.each([
  [{ loadMs: 49 }, undefined],
  [{ loadMs: 900 }, 900],
  [{ loadMs: 900, wasCold: false }, undefined],
  [{ loadMs: Number.NaN }, undefined],
])('load %o', (sample, expected) => expect(after(sample).loadMs).toBe(expected));

test('costs are bounded, averaged over servers, and survive JSON', () => {
  const costs = new Costs();
  costs.learn('a', 'm', { ...decode(10), sharing: 1 });
  costs.learn('b', 'm', { ...decode(30), sharing: 1 });
  expect(costs.ofModelAnywhere('m').decodeMsPerToken).toBeCloseTo(20);
  const copy = new Costs();
  expect(copy.load(JSON.parse(JSON.stringify(costs)))).toBe(2);
  expect(copy.of('b', 'm')).toEqual(costs.of('b', 'm'));
  for (const bad of [null, 1, {}, [null, 1, { deviceId: 'x', model: 'm', cost: { samples: 1 } }]])
    expect(copy.load(bad)).toBe(0);
  for (let i = 0; i < 70; i++) copy.learn(`s${i}`, 'n', { ...decode(1), sharing: 1 });
  expect(copy.entries()).toHaveLength(64);
  expect(copy.ofModelAnywhere('m')).toBe(NO_COST);
});

test('the file is written late, whole, for this user only; a broken one is told of', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ollana-costs-'));
  try {
    const clock = steppedClock();
    const costs = new Costs();
    const file = new CostFile({ dir, costs, clock });
    await file.start();
    costs.learn('a', 'm', { ...decode(10), sharing: 1 });
    expect(readdirSync(dir)).toEqual([]);
    await file[Symbol.asyncDispose]();
    expect(readdirSync(dir)).toEqual(['costs.json']);
    expect(statSync(join(dir, 'costs.json')).mode & 0o777).toBe(0o600);
    const again = new Costs();
    await using second = new CostFile({ dir, costs: again, clock });
    await second.start();
    expect(again.of('a', 'm')).toEqual(costs.of('a', 'm'));
    const notices: string[] = [];
    for (const text of ['{', 'null', '[]', '{"version":2,"costs":[]}']) {
      writeFileSync(join(dir, 'costs.json'), text);
      await using bad = new CostFile({
        dir,
        costs: new Costs(),
        clock,
        onNotice: (n) => notices.push(n.type),
      });
      await bad.start();
    }
    expect(notices).toEqual(Array(4).fill('cost-file-unreadable'));
  } finally {
    rmSync(dir, { recursive: true });
  }
});

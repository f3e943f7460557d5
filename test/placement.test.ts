import { describe, expect, it } from 'vitest';
import { countedFrom, usualArrivals } from '../scripts/fleet/workload.ts';
import { WORLDS, type WorldName } from '../scripts/fleet/world.ts';
import { fleetScene } from '../scripts/sim/scene.ts';
import { runTickets } from '../scripts/sim/tickets.ts';
import { Costs } from '../src/fleet/costs.ts';
import { type ModelLoad, serverLoad } from '../src/fleet/load.ts';
import type { ServerFacts } from '../src/fleet/pool.ts';
import { Affinity } from '../src/routing/affinity.ts';
import { Balance } from '../src/routing/balance.ts';
import { optionsFor } from '../src/routing/choice.ts';
import { Demand } from '../src/routing/demand.ts';
import type { Desk } from '../src/routing/desk.ts';
import { UNLOADED } from '../src/routing/finish.ts';
import { FleetSpeeds } from '../src/routing/fleet-speeds.ts';

describe('models find their places in an empty fleet', () => {
  /** Independent laptops' requests at GPUs that cannot hold all models; the same for the same seed. */
  const run = (world: WorldName, seed: number, { drift = false, cards = true } = {}) => {
    const requests = usualArrivals(WORLDS[world]);
    const config = { drift, cards, world, servers: 0, laptops: 3, load: 0.8, staleMs: 2, lost: 0 };
    const { loads, totals } = runTickets(fleetScene({ ...config, seed, requests }, world), {
      ...config,
      seed,
      requests,
    });
    return { loads, meanMs: mean(totals.slice(countedFrom(requests, drift))) };
  };
  const seeds = Array.from({ length: 8 }, (_, i) => i + 1);
  const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;

  it('with few loads: six GPUs with eleven places', { timeout: 60_000 }, () => {
    const all = seeds.map((seed) => run('six', seed).loads);
    // Some 20; where nothing is guessed of models that nobody has run, 32.
    expect(mean(all), all.join(' ')).toBeLessThanOrEqual(28);
  });

  it('also when others become popular and no server tells its memory', { timeout: 60_000 }, () => {
    const took = (cards: boolean) =>
      mean(seeds.map((seed) => run('main', seed, { drift: true, cards }).meanMs));
    // 1.0; where loads that only might push something out are shunned, memory stays empty.
    expect(took(false) / took(true)).toBeLessThanOrEqual(1.25);
  });
});

it('what a load is expected to cost depends on what the whole fleet is asked for', () => {
  const held = (recentMs: number): Partial<ModelLoad> => ({ loaded: true, recentMs });
  const cold = { loadMs: 2000, evictsMs: 2000, evicts: ['y'] };
  const server = (deviceId: string, rows: Readonly<Record<string, Partial<ModelLoad>>>) => {
    const models = Object.fromEntries(
      Object.entries(rows).map(([key, row]) => [key, { ...UNLOADED, loadMs: 2000, ...row }]),
    );
    return {
      deviceId,
      load: serverLoad(models),
      loadedKeys: new Set<string>(),
      modelKeys: new Set(['x', 'y']),
      verdict: { state: 'reliable' },
    };
  };
  const priceOfX = (xMs: number, yMs: number) => {
    const fleet = [
      server('a', { x: held(xMs), y: {} }),
      server('b', { x: cold, y: held(yMs) }),
      server('c', { x: cold, y: held(yMs) }),
    ] as unknown as ServerFacts[];
    const speeds = new FleetSpeeds();
    const choice = {
      deskOf: ({ load }: ServerFacts) => ({ load: () => load }) as Desk,
      costs: new Costs(),
      affinity: new Affinity(),
      speeds,
      demand: new Demand(),
      balance: new Balance(speeds),
      policy: 'fastest' as const,
      dice: () => 0,
      inFlight: new Map(),
    };
    const asked = { promptTokens: 1, maxOutputTokens: undefined, numCtx: undefined, marks: [], device: 'd' };
    const options = optionsFor(choice, fleet, { modelKey: 'x', ...asked }, 0, fleet);
    return options.find(({ deviceId }) => deviceId === 'b')?.estimate.priceMs;
  };
  expect(priceOfX(20_000, 1000)).toBeLessThan(5000);
  expect(priceOfX(1000, 20_000)).toBeGreaterThan(20_000);
});

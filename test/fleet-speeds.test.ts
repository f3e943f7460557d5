import { describe, expect, it } from 'vitest';
import { serverLoad } from '../src/fleet/load.ts';
import { UNLOADED } from '../src/routing/finish.ts';
import { FleetSpeeds } from '../src/routing/fleet-speeds.ts';

/** A server with the time that each model's token takes there, ms. */
const server = (
  deviceId: string,
  decode: Readonly<Record<string, number>>,
  outputTokens: number | null = null,
) => ({
  deviceId,
  load: serverLoad(
    Object.fromEntries(
      Object.entries(decode).map(([key, ms]) => [key, { ...UNLOADED, decodeMsPerToken: ms, outputTokens }]),
    ),
  ),
});

describe('how fast servers are beside each other', () => {
  it('is what the models say that both have run', () => {
    const speeds = new FleetSpeeds();
    speeds.read([server('fast', { x: 5 }), server('slow', { x: 20 })], 0);
    expect(speeds.speedOf('fast') / speeds.speedOf('slow')).toBeCloseTo(4);
  });

  it('is not hidden by models that only one of them has run', () => {
    const speeds = new FleetSpeeds();
    const fast = server('fast', { x: 5, big: 50, huge: 90 });
    speeds.read([fast, server('slow', { x: 20, tiny: 1 })], 0);
    expect(speeds.speedOf('fast') / speeds.speedOf('slow')).toBeGreaterThan(3.5);
  });

  it('is nothing where nothing is known', () => {
    const speeds = new FleetSpeeds();
    speeds.read([server('a', { x: 5 })], 0);
    expect(speeds.speedOf('b')).toBe(1);
  });
});

describe('what a model is thought to cost', () => {
  it('is what it costs elsewhere, for as fast a server', () => {
    const fleet = [server('fast', { x: 5, y: 10 }), server('slow', { x: 20 })];
    expect(new FleetSpeeds().guess(fleet, 'slow', 'y', 0).decodeMsPerToken).toBeCloseTo(40);
    expect(new FleetSpeeds().guess(fleet, 'new', 'y', 0).decodeMsPerToken).toBe(10);
  });

  it('is, of one that nobody has run, an answer as long as those of others', () => {
    const fleet = [server('a', { x: 5 }, 100), server('b', { x: 5 }, 400)];
    expect(new FleetSpeeds().guess(fleet, 'a', 'new', 0)).toEqual({ outputTokens: expect.closeTo(200) });
    expect(new FleetSpeeds().guess([server('a', {})], 'a', 'new', 0)).toEqual({});
  });
});

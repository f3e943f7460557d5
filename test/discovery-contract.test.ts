import { describe, expect, onTestFinished, test } from 'vitest';
import type { DiscoverySource } from '../src/discovery/sighting.ts';
import { Registry } from '../src/fleet/registry.ts';
import { deviceId, Sightings } from './_beacon.ts';
import { until } from './_deadline.ts';
import { SOURCES } from './_sources.ts';
import type { Medium } from './_sources-medium.ts';

const GPU = deviceId('a');

describe.each(SOURCES)('$name', ({ url, leaseMs, knowsDevices, hasGoodbye, medium: make }) => {
  async function setUp() {
    const medium = await make();
    onTestFinished(() => medium[Symbol.asyncDispose]());
    return medium;
  }

  function sourceOf(medium: Medium, own?: string): { source: DiscoverySource; sightings: Sightings } {
    const sightings = new Sightings();
    const source = medium.source(sightings.add, own);
    onTestFinished(() => source[Symbol.asyncDispose]());
    return { source, sightings };
  }

  /** Has the server appear until it is seen: what is looked for at leisure may be just being looked for. */
  const found = (medium: Medium, sightings: Sightings, id = GPU) =>
    until(5000, 'the server', async () => {
      if (sightings.all.some((one) => one.url === url && one.leaseMs > 0)) return true;
      await medium.appear(id);
      return false;
    });

  test('a server that comes is sighted with its URL and lease', async () => {
    const medium = await setUp();
    const { source, sightings } = sourceOf(medium);
    await source.start();
    await found(medium, sightings);
    const seen = sightings.all.find((one) => one.url === url);
    expect(seen).toMatchObject({ url, leaseMs, ...(knowsDevices && { deviceId: GPU, name: 'gpu1' }) });
    expect(sightings.urls).toEqual([url]);
  });

  test('starting twice is starting once', async () => {
    const medium = await setUp();
    const { source, sightings } = sourceOf(medium);
    await source.start();
    const timers = medium.clock.pending;
    await Promise.all([source.start(), source.start()]);
    expect(medium.clock.pending).toBe(timers);
    await found(medium, sightings);
    if (leaseMs !== Number.POSITIVE_INFINITY) return;
    await source.start();
    expect(sightings.all).toHaveLength(1);
  });

  test('stopping twice is stopping once; no timer stays, and nothing is reported or started after it', async () => {
    const medium = await setUp();
    const before = medium.clock.pending;
    const { source, sightings } = sourceOf(medium);
    await source.start();
    await found(medium, sightings);
    await Promise.all([source[Symbol.asyncDispose](), source[Symbol.asyncDispose]()]);
    await source[Symbol.asyncDispose]();
    expect(medium.clock.pending).toBe(before);
    const count = sightings.all.length;
    await source.start();
    source.refresh();
    // Another one that hears what the first would have heard, had it not ended.
    const witness = sourceOf(medium);
    await witness.source.start();
    await found(medium, witness.sightings);
    medium.clock.advance(leaseMs === Number.POSITIVE_INFINITY ? 600_000 : leaseMs);
    expect(sightings.all).toHaveLength(count);
  });

  test('stopping while it starts, and without a start, ends clean', async () => {
    const medium = await setUp();
    const before = medium.clock.pending;
    const { source } = sourceOf(medium);
    const starting = source.start();
    await source[Symbol.asyncDispose]();
    await starting;
    const unused = sourceOf(medium);
    await unused.source[Symbol.asyncDispose]();
    await unused.source.start();
    await until(2000, 'the end of what had begun', () => medium.clock.pending === before);
    expect(unused.sightings.all).toEqual([]);
  });

  test('our own server is not followed', async () => {
    const medium = await setUp();
    const { source, sightings } = sourceOf(medium, GPU);
    await source.start();
    if (knowsDevices) {
      const witness = sourceOf(medium);
      await witness.source.start();
      await found(medium, witness.sightings);
      // As long as a server that does not say who it is would have been waited for.
      medium.clock.advance(1000);
      expect(sightings.all).toEqual([]);
      return;
    }
    // It cannot know; the registry forgets the address when it is found to be ours.
    await found(medium, sightings);
    const registry = new Registry({ clock: medium.clock, ownDeviceId: GPU });
    const address = registry.sight(sightings.all[0]!);
    expect(registry.identified(address!, { deviceId: GPU } as never)).toBe(false);
    expect(registry.addresses()).toEqual([]);
  });

  if (hasGoodbye)
    test('a goodbye is told, and the server may come back', async () => {
      const medium = await setUp();
      const { source, sightings } = sourceOf(medium);
      await source.start();
      await found(medium, sightings);
      await until(5000, 'the goodbye', async () => {
        if (sightings.all.some((one) => one.url === url && one.leaseMs === 0)) return true;
        await medium.leave();
        return false;
      });
      const left = sightings.all.length;
      await until(5000, 'its return', async () => {
        await medium.appear(GPU);
        return sightings.all.slice(left).some((one) => one.url === url && one.leaseMs > 0);
      });
    });

  test('a server that falls silent counts until its lease ends, and no longer', async () => {
    const medium = await setUp();
    const { clock } = medium;
    const registry = new Registry({ clock, ownDeviceId: undefined });
    const sightings = new Sightings();
    const source = medium.source((sighting) => {
      sightings.add(sighting);
      registry.sight(sighting);
    });
    onTestFinished(() => source[Symbol.asyncDispose]());
    await source.start();
    await found(medium, sightings);
    await medium.vanish();
    // What was sent on loopback lies in the socket already: some turns of the event loop read it.
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    const doesFail = () => true;
    const longMs = leaseMs === Number.POSITIVE_INFINITY ? 86_400_000 : leaseMs - 1000;
    for (let ms = 0; ms < Math.min(longMs, 300_000); ms += 1000) clock.advance(1000);
    expect(registry.expire(doesFail)).toEqual([]);
    if (leaseMs === Number.POSITIVE_INFINITY) return;
    clock.advance(2000);
    expect(registry.expire(doesFail).map((address) => address.url)).toEqual([url]);
  });

  test('lies are no sightings, dismiss nobody, and the truth is still heard after them', async () => {
    const medium = await setUp();
    const { source, sightings } = sourceOf(medium);
    await source.start();
    await found(medium, sightings);
    await medium.lie();
    const { source: late, sightings: seen } = sourceOf(medium);
    await late.start();
    await found(medium, seen);
    medium.clock.advance(500);
    const honest = (one: { url: string }) => one.url === url || one.url === 'http://127.0.0.1:11435';
    expect([...sightings.all, ...seen.all].filter((one) => !honest(one))).toEqual([]);
    if (hasGoodbye && leaseMs !== Number.POSITIVE_INFINITY)
      expect(sightings.all.filter((one) => one.leaseMs === 0)).toEqual([]);
  });
});

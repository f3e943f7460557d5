import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { ANSWER_MS } from '../src/fleet/probe.ts';
import { beatSays, failedAtOnce, SelfDoubt } from '../src/fleet/self-doubt.ts';
import type { FailureCause, Verdict } from '../src/fleet/verdict-rules.ts';
import { Watch } from '../src/fleet/watch.ts';
import { PLAIN } from '../src/security/dial.ts';
import { PathAgent } from '../src/security/path-agent.ts';
import { listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { failed, fleetOf, leapingClock } from './_fleet.ts';
import { handClock } from './_hand-clock.ts';

const RELIABLE: Verdict = { state: 'reliable', sinceMs: 0 };
const bad = (cause: FailureCause, sinceMs: number): Verdict => ({
  state: 'unreliable',
  sinceMs,
  cause,
  reason: '',
});

describe('a beat', () => {
  it.each([
    [250, 250, 'well'],
    [740, 740, 'well'],
    [760, 760, 'stalled'],
    [4000, 4000, 'stalled'],
    [250, 20_000, 'slept'],
    [20_000, 20_000, 'slept'],
    [250, -3_600_000, 'well'],
  ] as const)('that comes after %i ms, %i ms by the wall clock, says %s', (elapsed, wall, says) => {
    expect(beatSays(elapsed, wall)).toBe(says);
  });
});

describe('all servers at once', () => {
  it.each<[string, readonly Verdict[], boolean]>([
    ['fail when all do within a second', [bad('dial', 9500), bad('stream', 9900)], true],
    ['do not while one is reliable', [bad('dial', 9500), bad('dial', 9900), RELIABLE], false],
    ['do not when there is but one', [bad('dial', 9900)], false],
    ['do not when one failed long before', [bad('dial', 100), bad('dial', 9900)], false],
    [
      'do, besides those that failed long before',
      [bad('dial', 100), bad('dial', 9500), bad('dial', 9900)],
      true,
    ],
    ['do not when one says itself what is wrong', [bad('dial', 9500), bad('status', 9900)], false],
    ['do not when all were reached', [bad('stream', 9500), bad('stream', 9900)], false],
  ])('%s', (_, verdicts, at) => {
    expect(failedAtOnce(verdicts, 10_000)).toBe(at);
  });
});

describe('a process that stood still', () => {
  it('knows it even before its own beat', () => {
    const clock = leapingClock();
    using doubt = new SelfDoubt({ clock, onWake: () => {} });
    const before = clock.now();
    expect(doubt.stalledSince(before)).toBe(false);
    clock.skip(800);
    expect(doubt.stalledSince(before)).toBe(true);
    expect(doubt.stalledSince(clock.now() + 1)).toBe(false);
    expect(doubt.justWoke()).toBe(false);
  });

  it('blames nobody for a connection that did not come about meanwhile', async () => {
    await using test = await fleetOf(1);
    const [id] = test.ids as [string];
    test.skip(800);
    test.fleet.judge(id, failed('dial'));
    expect(test.fleet.server(id)?.verdict.state).toBe('reliable');
    test.fleet.judge(id, failed('status'));
    expect(test.fleet.server(id)?.verdict.state).toBe('unreliable');
  });

  it('blames for one that did not come about later', async () => {
    await using test = await fleetOf(1);
    const [id] = test.ids as [string];
    test.fleet.judge(id, failed('dial'));
    expect(test.fleet.server(id)?.verdict.state).toBe('unreliable');
  });
});

describe('a probe that nobody answered', () => {
  it.each([
    { when: 'counts', stalled: false, probes: 3 },
    { when: 'counts only the second time where this process stood still', stalled: true, probes: 6 },
  ])('$when', async ({ stalled, probes }) => {
    let looks = 0;
    await using silent = await listenOn(
      createServer(() => {
        looks += 1;
      }),
    );
    const gone: string[] = [];
    // Time passes only where the server keeps silent: a connection that is slow to come about is another failure.
    const clock = handClock();
    using watch = new Watch({
      url: () => silent.url,
      clock,
      agent: new PathAgent({}, PLAIN),
      fresh: new PathAgent({}, PLAIN),
      stalledSince: () => stalled,
      rescue: async () => false,
      feed: false,
      onPassed: () => {},
      onGone: (reason) => void gone.push(reason),
      onLists: () => {},
      onAway: () => {},
    });
    watch.start();
    for (let probe = 1; gone.length === 0; probe += 1) {
      clock.pass(clock.nextIn() ?? 0);
      await until(5000, 'the probe to arrive', () => looks === probe);
      clock.pass(ANSWER_MS);
      await until(5000, 'the next probe to be planned', () => clock.nextIn() !== undefined);
    }
    expect(looks).toBe(probes);
  });
});

describe('a machine that slept', () => {
  it('asks every server anew, and blames none for the streams that broke', async () => {
    await using test = await fleetOf(2);
    const before = test.looks();
    test.sleep(60_000);
    for (const id of test.ids) test.fleet.judge(id, failed('stream'));
    expect(test.fleet.servers().map(({ verdict }) => verdict.state)).toEqual(['reliable', 'reliable']);
    // Unused servers are asked every 5 s.
    await until(2000, 'both to be asked', () => test.looks() >= before + 2);
  });
});

describe('a link that broke', () => {
  it('leaves no server unreliable that answers a probe', async () => {
    await using test = await fleetOf(2);
    const [a, b] = test.ids as [string, string];
    test.fleet.judge(a, failed('stream'));
    expect(test.fleet.server(a)?.verdict).toMatchObject({ state: 'unreliable', cause: 'stream' });
    test.fleet.judge(b, failed('dial'));
    await until(2000, 'both to be reliable', () =>
      test.fleet.servers().every(({ verdict }) => verdict.state === 'reliable'),
    );
  });

  it('is not what broke a stream at one of them a while before', async () => {
    await using test = await fleetOf(2);
    const [a, b] = test.ids as [string, string];
    test.fleet.judge(a, failed('stream'));
    test.skip(1500);
    // The stall that this looks like is over.
    await until(3000, 'the other to be blamed', () => {
      test.fleet.judge(b, failed('dial'));
      return test.fleet.server(b)?.verdict.state !== 'reliable';
    });
    test.fleet.refresh(b);
    await until(2000, 'it to be reliable', () => test.fleet.server(b)?.verdict.state === 'reliable');
    expect(test.fleet.server(a)?.verdict).toMatchObject({ state: 'unreliable', cause: 'stream' });
  });
});

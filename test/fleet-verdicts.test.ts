import { describe, expect, it } from 'vitest';
import { endsRequests, isGone, nextProbeIn, type ProbeFailure } from '../src/fleet/probe-plan.ts';
import { nextVerdict, type Verdict, type VerdictEvent } from '../src/fleet/verdict-rules.ts';

const RELIABLE: Verdict = { state: 'reliable', sinceMs: 1 };
const because = (state: 'unreliable' | 'second-chance', cause: 'dial' | 'stream' | 'status'): Verdict => ({
  state,
  sinceMs: 1,
  cause,
  reason: 'before',
});
const failed = (cause: 'dial' | 'stream' | 'status'): VerdictEvent => ({
  type: 'attempt-failed',
  cause,
  reason: 'now',
});
const COMPLETED: VerdictEvent = { type: 'completed' };
const PASSED: VerdictEvent = { type: 'probe-passed' };
const PROBE_FAILED: VerdictEvent = { type: 'probe-failed', reason: 'now' };
const TURNS_OVER: VerdictEvent = { type: 'turns-over' };

describe('the verdict on a server', () => {
  it.each([
    { from: RELIABLE, event: COMPLETED, to: RELIABLE },
    { from: RELIABLE, event: PASSED, to: RELIABLE },
    { from: RELIABLE, event: TURNS_OVER, to: RELIABLE },
    { from: RELIABLE, event: failed('dial'), to: { state: 'unreliable', cause: 'dial' } },
    { from: RELIABLE, event: failed('stream'), to: { state: 'unreliable', cause: 'stream' } },
    { from: RELIABLE, event: failed('status'), to: { state: 'unreliable', cause: 'status' } },
    { from: RELIABLE, event: PROBE_FAILED, to: { state: 'unreliable', cause: 'dial' } },
    { from: because('unreliable', 'dial'), event: PASSED, to: { state: 'reliable' } },
    { from: because('second-chance', 'dial'), event: PASSED, to: { state: 'reliable' } },
    { from: because('unreliable', 'stream'), event: PASSED, to: because('unreliable', 'stream') },
    { from: because('second-chance', 'stream'), event: PASSED, to: because('second-chance', 'stream') },
    { from: because('unreliable', 'status'), event: PASSED, to: because('unreliable', 'status') },
    { from: because('unreliable', 'stream'), event: COMPLETED, to: { state: 'reliable' } },
    { from: because('second-chance', 'status'), event: COMPLETED, to: { state: 'reliable' } },
    {
      from: because('unreliable', 'dial'),
      event: failed('stream'),
      to: { state: 'second-chance', cause: 'stream' },
    },
    {
      from: because('unreliable', 'stream'),
      event: failed('dial'),
      to: { state: 'second-chance', cause: 'dial' },
    },
    // Begun before anything spoke against it.
    {
      from: because('unreliable', 'dial'),
      event: { ...failed('status'), wasReliable: true },
      to: because('unreliable', 'dial'),
    },
    {
      from: because('second-chance', 'dial'),
      event: { ...failed('stream'), wasReliable: true },
      to: { state: 'second-chance', cause: 'stream' },
    },
    {
      from: RELIABLE,
      event: { ...failed('dial'), wasReliable: true },
      to: { state: 'unreliable', cause: 'dial' },
    },
    {
      from: because('second-chance', 'dial'),
      event: failed('dial'),
      to: { state: 'second-chance', cause: 'dial' },
    },
    {
      from: because('unreliable', 'stream'),
      event: PROBE_FAILED,
      to: { state: 'unreliable', cause: 'dial' },
    },
    { from: because('unreliable', 'dial'), event: PROBE_FAILED, to: because('unreliable', 'dial') },
    {
      from: because('second-chance', 'stream'),
      event: TURNS_OVER,
      to: { state: 'unreliable', cause: 'stream' },
    },
    { from: because('unreliable', 'stream'), event: TURNS_OVER, to: because('unreliable', 'stream') },
  ])(
    '$from.state ($from.cause), $event.type ($event.cause) -> $to.state ($to.cause)',
    ({ from, event, to }) => {
      expect(nextVerdict(from, event, 2)).toMatchObject(to);
    },
  );

  it('is the same object, with its time, when nothing changed', () => {
    for (const verdict of [RELIABLE, because('unreliable', 'dial'), because('second-chance', 'stream')]) {
      expect(nextVerdict(verdict, TURNS_OVER, 2) === verdict).toBe(verdict.state !== 'second-chance');
    }
    expect(nextVerdict(RELIABLE, COMPLETED, 2)).toBe(RELIABLE);
  });

  it('changes its time with its state', () => {
    expect(nextVerdict(RELIABLE, failed('dial'), 7)).toMatchObject({ sinceMs: 7, reason: 'now' });
    expect(nextVerdict(because('unreliable', 'dial'), PASSED, 8)).toMatchObject({ sinceMs: 8 });
  });
});

describe('the next probe of a server', () => {
  const idle = {
    attended: false,
    fed: false,
    hears: false,
    inUse: false,
    home: false,
    failures: 0,
    failure: undefined,
  };
  it.each([
    { when: 'nobody uses it', situation: idle, ms: 5000 },
    { when: 'it was in use', situation: { ...idle, inUse: true }, ms: 2000 },
    { when: 'a request waits', situation: { ...idle, attended: true, inUse: true }, ms: 1000 },
    {
      when: 'an answer is coming in',
      situation: { ...idle, attended: true, hears: true, inUse: true },
      ms: 500,
    },
    {
      when: 'a request waits, no connection',
      situation: { ...idle, attended: true, failures: 1, failure: 'unreachable' as const },
      ms: 0,
    },
    {
      when: 'a request waits, no answer',
      situation: { ...idle, attended: true, failures: 2, failure: 'silent' as const },
      ms: 0,
    },
    {
      when: 'a request waits, refused',
      situation: { ...idle, attended: true, failures: 9, failure: 'refused' as const },
      ms: 500,
    },
    { when: 'it failed once', situation: { ...idle, failures: 1, failure: 'refused' as const }, ms: 500 },
    {
      when: 'one connection was lost, which may happen',
      situation: { ...idle, failures: 1, failure: 'unreachable' as const },
      ms: 0,
    },
    {
      when: 'more of them were',
      situation: { ...idle, failures: 2, failure: 'unreachable' as const },
      ms: 1000,
    },
    { when: 'it failed thrice', situation: { ...idle, failures: 3, failure: 'refused' as const }, ms: 1500 },
    { when: 'it is away', situation: { ...idle, failures: 1000, failure: 'refused' as const }, ms: 3000 },
    {
      when: 'it is away, and is what this machine serves',
      situation: { ...idle, home: true, failures: 1000, failure: 'refused' as const },
      ms: 500,
    },
  ])('comes after $ms ms when $when', ({ situation, ms }) => {
    expect(nextProbeIn(situation)).toBe(ms);
  });
});

describe('failed probes', () => {
  it.each<[ProbeFailure, number, boolean]>([
    ['refused', 1, true],
    ['unreachable', 1, false],
    ['unreachable', 2, true],
    ['silent', 1, false],
    ['silent', 2, false],
    ['silent', 3, true],
  ])('%s, %i in a row: gone is %s', (kind, count, gone) => {
    expect(isGone(kind, count)).toBe(gone);
  });

  it('end requests under way unless somebody said no', () => {
    expect((['refused', 'unreachable', 'silent'] as const).map(endsRequests)).toEqual([false, true, true]);
  });
});

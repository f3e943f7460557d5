import { describe, expect, it } from 'vitest';
import {
  mayExperiment,
  NOTHING_LEARNED,
  observed,
  type ParallelLearning,
  slotsLearned,
} from '../src/server/parallel-learning.ts';

const MINUTE = 60_000;

/** `100 sent a, 200 first a, 900 end a, 950 try`: times in ms. */
function told(story: string, state: ParallelLearning = NOTHING_LEARNED): ParallelLearning {
  const types = { sent: 'sent', first: 'first-token', stall: 'stalled', end: 'ended' } as const;
  return story
    .split(',')
    .map((part) => part.trim().split(' '))
    .filter(([time]) => time !== '')
    .reduce((before, [time, what, id = '']) => {
      const at = Number(time);
      if (what === 'try') return observed(before, { type: 'experiment', at });
      return observed(before, { type: types[what as keyof typeof types], id, at });
    }, state);
}

/** One that streams, all slots in use. */
const BUSY = '0 sent a, 100 first a';
/** An experiment in which the second request streams beside the first. */
const SUCCESS = `${BUSY}, 500 try, 500 sent b, 600 first b, 900 end a, 950 end b`;
const FAILURE = `${BUSY}, 500 try, 500 sent b, 900 end a, 1000 first b, 1500 end b`;

describe('what overlap proves', () => {
  it.each<[string, string, number]>([
    ['nothing', '', 1],
    ['one request', `${BUSY}, 900 end a`, 1],
    ['two streams at once', '0 sent a, 0 sent b, 100 first a, 150 first b, 400 end a, 500 end b', 2],
    ['three', '0 sent a, 0 sent b, 0 sent c, 100 first a, 100 first b, 100 first c, 300 end b', 3],
    ['one after the other', '0 sent a, 0 sent b, 100 first a, 400 end a, 450 first b, 900 end b', 1],
    ['the next one’s token before the end, after a pause', `${BUSY}, 1 sent b, 800 first b, 801 end a`, 1],
    ['an overlap too short to be sure of', `${BUSY}, 1 sent b, 800 first b, 899 end a`, 1],
    ['one just long enough', `${BUSY}, 1 sent b, 800 first b, 900 end a`, 2],
    ['a stream whose client does not keep up', `${BUSY}, 1 sent b, 200 stall a, 800 first b, 1500 end a`, 1],
    ['one that was never sent', '0 first a, 0 first b, 500 end a, 500 end b', 1],
    ['the same first token twice', `${BUSY}, 200 first a, 900 first a, 950 end a`, 1],
  ])('%s', (_what, story, proven) => {
    expect(told(story).proven).toBe(proven);
  });

  it('never falls when fewer run later', () => {
    expect(told('2000 sent c, 2100 first c, 3000 end c', told(SUCCESS)).proven).toBe(2);
  });

  it('is bounded, whatever is sent', () => {
    const story = Array.from({ length: 500 }, (_, i) => `0 sent r${i}, 1 first r${i}`).join(',');
    const state = told(`${story}, 900 end r1`);
    expect(state.running.size).toBeLessThanOrEqual(128);
    expect(state.proven).toBe(64);
  });
});

describe('an experiment', () => {
  it.each<[string, string, number, number, boolean]>([
    ['begins when one streams and one waits', BUSY, 500, 1, true],
    ['needs somebody who waits', BUSY, 500, 0, false],
    ['needs one that streams, not one that loads', '0 sent a', 500, 1, false],
    ['needs one whose client keeps up', `${BUSY}, 200 stall a`, 500, 1, false],
    ['needs all that is proven to be in use', '', 500, 1, false],
    ['is alone', `${BUSY}, 500 try`, 30 * MINUTE, 1, false],
    ['comes no sooner than ten minutes after the last', SUCCESS, 500 + 10 * MINUTE - 1, 1, false],
  ])('%s', (_what, story, now, queued, may) => {
    expect(mayExperiment(told(story), now, queued)).toBe(may);
  });

  it('lets one more run than is proven, until it is decided', () => {
    const open = told(`${BUSY}, 500 try`);
    expect(slotsLearned(open)).toBe(2);
    expect(slotsLearned(told('500 sent b, 600 first b', open))).toBe(2);
    expect(slotsLearned(told(SUCCESS))).toBe(2);
    expect(slotsLearned(told(FAILURE))).toBe(1);
  });

  it('that succeeds makes the next one try twice as many', () => {
    const again = told('1000000 sent a, 1000000 sent b, 1000100 first a, 1000100 first b', told(SUCCESS));
    expect(mayExperiment(again, 1_000_500, 1)).toBe(true);
    const open = told('1000500 try', again);
    expect(slotsLearned(open)).toBe(4);
    const won = told('1000500 sent c, 1000500 sent d, 1000600 first c, 1000600 first d, 1001000 end a', open);
    expect(won).toMatchObject({ proven: 4, trying: undefined, bold: true });
  });

  it('that half succeeds keeps what it proved and refutes the rest', () => {
    const again = told('1000000 sent a, 1000000 sent b, 1000100 first a, 1000100 first b', told(SUCCESS));
    const half = told(
      '1000500 try, 1000500 sent c, 1000500 sent d, 1000600 first c, 1001000 end a, 1001100 first d',
      again,
    );
    expect(half).toMatchObject({ proven: 3, refuted: 4, trying: undefined, bold: false });
  });

  it('that fails is not repeated for twice as long each time', () => {
    const failed = told(FAILURE);
    expect(failed).toMatchObject({ proven: 1, refuted: 2, trying: undefined });
    const busy = told('1000000 sent c, 1000100 first c', failed);
    expect(mayExperiment(busy, 1000 + 20 * MINUTE - 1, 1)).toBe(false);
    expect(mayExperiment(busy, 1000 + 20 * MINUTE, 1)).toBe(true);
    const twice = told('2000000 try, 2000000 sent d, 2000100 end c, 2000200 first d', busy);
    expect(twice.nextAt).toBe(2_000_200 + 40 * MINUTE);
    expect(slotsLearned(told('9000000 try', twice))).toBe(2);
  });

  it.each([
    ['whose request leaves before its first token', '500 try, 500 sent b, 600 end b, 900 end a'],
    ['that nobody comes to', '500 try, 900 end a'],
    [
      'whose neighbour’s client does not keep up',
      '500 try, 500 sent b, 600 stall a, 900 end a, 950 first b, 990 end b',
    ],
  ])('%s is neither a failure nor a success', (_what, story) => {
    const state = told(`${BUSY}, ${story}`);
    expect(state).toMatchObject({ proven: 1, failures: 0, trying: undefined });
    expect(state.refuted).toBe(Number.POSITIVE_INFINITY);
    expect(state.running.size).toBe(0);
  });

  it('that succeeds after a failure lifts the bound', () => {
    const again = told(
      '2000000 sent a, 2000100 first a, 2000500 try, 2000500 sent b, 2000600 first b, 2000900 end a',
      told(FAILURE),
    );
    expect(again).toMatchObject({ proven: 2, refuted: Number.POSITIVE_INFINITY, failures: 0 });
  });

  it('finds any setting in the end, and never sends more than twice that', () => {
    for (const real of [1, 2, 3, 4, 6, 8]) {
      let state = NOTHING_LEARNED;
      for (let round = 0; round < 40; round++) {
        const begin = round * 700 * MINUTE;
        const story = Array.from(
          { length: state.proven },
          (_, i) => `${begin} sent ${i}, ${begin} first ${i}`,
        );
        state = told(story.join(','), state);
        if (mayExperiment(state, begin + 500, 99)) {
          state = told(`${begin + 500} try`, state);
          const more = slotsLearned(state);
          expect(more).toBeLessThanOrEqual(2 * real);
          for (let i = state.proven; i < more; i++) {
            const first = i < real ? `, ${begin + 600} first ${i}` : '';
            state = told(`${begin + 500} sent ${i}${first}`, state);
          }
          // What is too much begins one by one, each when another has ended.
          for (let i = real; i < more; i++)
            state = told(`${begin + 1000} end ${i - real}, ${begin + 1001} first ${i}`, state);
        }
        for (const id of state.running.keys()) state = told(`${begin + 2000} end ${id}`, state);
      }
      expect(state.proven).toBe(real);
    }
  });
});

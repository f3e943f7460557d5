import { describe, expect, it } from 'vitest';
import { readConfig } from '../scripts/bench/config.ts';
import { type Gaps, hostileTable, summariseHostile } from '../scripts/bench/hostile-report.ts';
import { statSeconds, statusMb } from '../scripts/bench/process-cost.ts';
import { type Measured, summarise, table } from '../scripts/bench/report.ts';
import type { RoundFigures } from '../scripts/bench/round.ts';
import { startText } from '../scripts/bench/start.ts';
import { median, percentile } from '../scripts/bench/stats.ts';
import { withoutTimes } from '../scripts/bench/validate.ts';

const round = (ms: number, us: number): RoundFigures => ({
  wholeP50: ms,
  wholeP99: ms * 10,
  firstByteP50: ms,
  firstByteP99: ms * 10,
  lineDelayP50: ms,
  lineDelayP99: ms * 10,
  cpuFullSpeed: us,
  cpuSegments: us,
});

const measured = (ollana: readonly RoundFigures[]): Measured => ({
  machine: { node: 'v20.18.0', cpu: 'Some CPU', cores: 2, loadAverageAtStart: 0.25 },
  // The second round ran on a machine twice as slow, the third on one ten times as slow.
  rounds: new Map([
    ['direct', [round(0.2, 0), round(0.4, 0), round(2, 0)]],
    ['http-proxy', [round(0.4, 10), round(0.8, 20), round(4, 100)]],
    ['ollana', ollana],
  ]),
  standing: [{ contender: 'ollana', hop: 0, idleCpuPercent: 0.1, idleMb: 60, loadedMb: 70 }],
});
const KEPT = [round(0.5, 11), round(1, 22), round(5, 110)];

describe('the statistics of the benchmark', () => {
  it('give the middle value, or the mean of the middle two', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it('give a percentile by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile([7], 0.99)).toBe(7);
    expect(percentile([], 0.5)).toBeNaN();
  });
});

describe('the cost of a process', () => {
  it('is read from /proc although the command may hold spaces and brackets', () => {
    const stat = '123 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 11 0 5';
    expect(statSeconds(stat)).toBe(2);
  });

  it('has its resident memory in MB of 10^6 bytes', () => {
    expect(statusMb('Name:\tnode\nVmHWM:\t9 kB\nVmRSS:\t   62500 kB\nThreads:\t11\n')).toBe(64);
    expect(statusMb('Name:\tnode\n')).toBeNaN();
  });
});

describe('the report of the benchmark', () => {
  it('takes ratios and differences within a round, so that a slow round does not count for one contender', () => {
    const report = summarise(measured(KEPT));
    const value = (label: string) => report.rows.find((row) => row.label === label)?.values.ollana;
    expect(value('ratio: CPU a line at full speed')).toBeCloseTo(1.1);
    expect(value('added: first byte of a stream, p50')).toBeCloseTo(0.6);
    expect(value('first byte of a stream, p50')).toBe(1);
  });

  it('says which bounds were not kept', () => {
    const failed = (given: Measured) =>
      summarise(given)
        .verdicts.filter(({ met }) => !met)
        .map(({ label }) => label);
    const quick = [round(0.3, 11), round(0.5, 22), round(2.1, 110)];
    expect(failed(measured(quick))).toEqual([]);
    expect(failed(measured([round(1.3, 30), round(1.5, 60), round(3.1, 300)]))).toEqual([
      'added to a whole small answer, p50',
      'added to the first byte of a stream, p50',
      'CPU a line at full speed, of http-proxy',
      'CPU a line, one line a segment, of http-proxy',
    ]);
  });

  it('does not take a missing figure for a kept bound', () => {
    const { verdicts } = summarise({ ...measured([]), standing: [] });
    expect(verdicts.map(({ met }) => met)).toEqual(verdicts.map(() => false));
  });

  it('is a Markdown table with one column per contender, empty where a figure makes no sense', () => {
    const lines = table(summarise(measured(KEPT))).split('\n');
    expect(lines[0]).toContain('Medians of 3 interleaved rounds');
    expect(lines).toContain('|  | unit | direct | http-proxy | ollana |');
    expect(lines).toContain('| ratio: CPU a line at full speed | x |  | 1.000 | 1.100 |');
    expect(lines).toContain('| ollana | 0.100 | 60.0 | 70.0 |');
  });
});

describe('the validation pass', () => {
  it('compares everything but the times', () => {
    const line = (at: string, ns: number, word: string) =>
      Buffer.from(`{"created_at":"${at}","response":"${word}","total_duration":${ns},"eval_count":7}\n`);
    expect(withoutTimes(line('2026-01-01T00:00:00Z', 5, 'a'))).toBe(withoutTimes(line('1970', 123, 'a')));
    expect(withoutTimes(line('1970', 5, 'a'))).not.toBe(withoutTimes(line('1970', 5, 'b')));
  });
});

describe('the command line of the benchmark', () => {
  it('runs `forward` when nothing is named', () => {
    expect(readConfig([])).toMatchObject({ name: 'forward', rounds: 5, json: undefined });
  });

  it('refuses what it does not understand', () => {
    expect(() => readConfig(['forward', 'idle'])).toThrow('one benchmark at a time');
    expect(() => readConfig(['--rounds', 'many'])).toThrow(
      "--rounds must be a whole number above 0, not 'many'",
    );
    expect(() => readConfig(['--round', '5'])).toThrow('--round');
  });
});

describe('the report of the hostile machine', () => {
  it('compares each attacked round with its own calm one', () => {
    const gaps = (ms: number, directMs = 30): Gaps => {
      const list = (late: number) => Array.from({ length: 100 }, (_, i) => (i < 90 ? 25 : late));
      return { through: list(ms), direct: list(directMs) };
    };
    const report = summariseHostile([gaps(30), gaps(60), gaps(40)], [gaps(31), gaps(64), gaps(60)]);
    expect(report.through[1]).toMatchObject({ label: 'p99', calmMs: 40, attackedMs: 60 });
    expect(report.through[1]?.ratio).toBeCloseTo(64 / 60);
    expect([report.ours, report.met]).toEqual([expect.closeTo(64 / 60), true]);
    expect(summariseHostile([gaps(30)], [gaps(34)]).met).toBe(false);
    expect(summariseHostile([gaps(30)], [gaps(34, 33)]).met).toBe(true);
    expect(summariseHostile([], []).met).toBe(false);
    expect(hostileTable(report)).toContain('1.067 times as long when attacked; kept: at most 1.1');
  });
});

describe('the report of starts', () => {
  const text = (client: readonly number[], serve: readonly number[]) =>
    startText({ node: 'v20.18.0', loadAverageAtStart: 0.1, starts: { node: [40], client, serve } });

  it('goes by the median of each mode', () => {
    expect(text([300, 390, 900], [310, 320, 330])).toMatch(
      /ollana +min 300 ms {3}median 390 ms {3}max 900 ms/,
    );
    expect(text([300, 390, 900], [310, 320, 330])).toMatch(/^met/m);
    expect(text([300, 320, 330], [310, 410, 430])).toMatch(/^NOT met/m);
    expect(text([], [])).toMatch(/^NOT met/m);
  });
});

import { describe, expect, it } from 'vitest';
import { readSoakConfig } from '../scripts/soak/config.ts';
import { judge, MIN_SAMPLES, type Sample } from '../scripts/soak/flat.ts';
import { passed, type SoakReport, soakTable } from '../scripts/soak/report.ts';
import { requestsTold, type Tally, untruths } from '../scripts/soak/tally.ts';

const STILL: Sample = {
  atMs: 0,
  heapMb: 22,
  rssMb: 180,
  descriptors: 60,
  sockets: 40,
  handles: 35,
  delayMs: 20,
  logMb: 3,
};

/** As many samples, each made of how far the soak is, 0 to 1. */
const samples = (make: (share: number) => Partial<Sample>, count = 40): readonly Sample[] =>
  Array.from({ length: count }, (_, i) => ({ ...STILL, ...make(i / count) }));

const grown = (all: readonly Sample[]): readonly string[] =>
  judge(all)
    .filter(({ flat }) => !flat)
    .map(({ label }) => label);

describe('what is flat', () => {
  it('is what stays, jumps about, or grows in the first quarter', () => {
    expect(grown(samples(() => ({})))).toEqual([]);
    expect(
      grown(samples((share) => ({ heapMb: 22 + ((share * 1000) % 3), delayMs: (share * 1000) % 40 }))),
    ).toEqual([]);
    expect(grown(samples((share) => ({ heapMb: share < 0.25 ? 10 + 40 * share : 22 })))).toEqual([]);
    expect(grown(samples((share) => ({ rssMb: 200 - 100 * share })))).toEqual([]);
  });

  it('is not what a leak of 200 bytes a request does in 60 000, or one forgotten socket in 800', () => {
    const requests = 60_000;
    expect(grown(samples((share) => ({ heapMb: 22 + (share * requests * 200) / 1e6 })))).toEqual([
      'heap, MB',
    ]);
    const sockets = (share: number) => Math.floor((share * requests) / 800);
    expect(
      grown(samples((share) => ({ descriptors: 60 + sockets(share), sockets: 40 + sockets(share) }))),
    ).toEqual(['open files', 'of these sockets']);
    expect(grown(samples((share) => ({ delayMs: 20 * 2 ** (3 * share) })))).toEqual(['loop delay p99, ms']);
  });

  it('is a log that is full, and not one without an end', () => {
    expect(grown(samples((share) => ({ logMb: Math.min(62, 200 * share) })))).toEqual([]);
    expect(grown(samples((share) => ({ logMb: 100 * share })))).toEqual(['log, MB']);
  });

  it('is nothing of which too little was seen', () => {
    expect(grown(samples(() => ({}), MIN_SAMPLES))).toEqual([]);
    expect(grown(samples(() => ({}), MIN_SAMPLES - 1))).toContain('heap, MB');
    expect(grown([])).toContain('log, MB');
  });
});

const TALLY: Tally = {
  asked: 100,
  whole: 80,
  cut: 4,
  halfJson: 1,
  refused: 3,
  left: 12,
  falseEnd: 0,
  dropped: 0,
  hung: 0,
};

describe('how requests ended', () => {
  it('is truthful when the kinds add up and the daemon counted as many, those who left aside', () => {
    for (const told of [100, 95, 88]) expect(untruths(TALLY, told)).toEqual([]);
    for (const told of [101, 87]) expect(untruths(TALLY, told)).toEqual([`ollana counted ${told} of 100`]);
    expect(untruths({ ...TALLY, cut: 3 }, 100)).toEqual(['100 were asked, and 99 ended']);
    expect(untruths({ ...TALLY, whole: 79, falseEnd: 1 }, 100)).toEqual([
      '1 answers looked whole and were not',
    ]);
    expect(untruths({ ...TALLY, whole: 79, dropped: 1 }, 100)).toHaveLength(1);
    expect(untruths({ ...TALLY, whole: 79, hung: 1 }, 100)).toHaveLength(1);
    expect(untruths({ ...TALLY, whole: 0, refused: 83 }, 100)).toEqual(['no answer was whole']);
  });

  it('is read from what the daemon tells Prometheus, without its own paths', () => {
    const text = [
      '# TYPE ollana_requests_total counter',
      'ollana_requests_total{route="ollana",outcome="completed",model="",server=""} 7',
      'ollana_requests_total{route="/api/chat",outcome="completed",model="m",server="y"} 21',
      'ollana_requests_total{route="/api/tags",outcome="client-left",model="",server="x, y"} 2',
      'ollana_retries_total 9',
    ].join('\n');
    expect(requestsTold(text)).toBe(23);
  });
});

describe('the report', () => {
  const report = (rows: readonly Sample[], wrong: readonly string[] = []): SoakReport => ({
    minutes: 2,
    tally: TALLY,
    told: 100,
    troubles: { hang: 2 },
    processes: [{ name: 'client', rows: judge(rows) }],
    wrong,
  });

  it('says that all is well only when it is', () => {
    const good = report(samples(() => ({})));
    expect(passed(good)).toBe(true);
    expect(soakTable(good)).toContain('Verdict: flat, every request ended truthfully');
    expect(soakTable(good)).toContain('| client | heap, MB | 22.0 | 22.0 | 22.0 | 22.0 | 26.1 | flat |');
    const leaky = report(samples((share) => ({ heapMb: 20 + 20 * share })));
    expect(passed(leaky)).toBe(false);
    expect(soakTable(leaky)).toContain('- client: heap, MB: more than requests under way');
    expect(soakTable(leaky)).toContain('Verdict: NOT FLAT');
    const untrue = report(
      samples(() => ({})),
      ['1 requests did not end'],
    );
    expect(passed(untrue)).toBe(false);
    expect(soakTable(untrue)).toContain('- 1 requests did not end\nVerdict: flat, NOT TRUTHFUL');
  });
});

describe('the command line', () => {
  it('lasts minutes, or as many requests as it is told', () => {
    expect(readSoakConfig([])).toMatchObject({ lengthMs: 240_000, requests: Number.POSITIVE_INFINITY });
    expect(readSoakConfig(['--requests', '200000'])).toMatchObject({
      lengthMs: 86_400_000,
      requests: 200_000,
    });
    expect(readSoakConfig(['--requests', '9', '--minutes', '60'])).toMatchObject({ lengthMs: 3_600_000 });
    expect(() => readSoakConfig(['--minutes', '0'])).toThrow(
      "--minutes must be a whole number from 1 to 1440, not '0'",
    );
    expect(() => readSoakConfig(['--hours', '1'])).toThrow(/hours/);
  });
});

import { describe, expect, it } from 'vitest';
import { word } from '../src/observe/health/finding.ts';
import { healthReport, scoreOf } from '../src/observe/health/report.ts';
import { MINUTE, machine, server, ward } from './_health.ts';
import { requestEnded } from './_observed.ts';

describe('what is told', () => {
  const low = (freeBytes: number) => ({
    servers: [server('a', machine({ memory: { totalBytes: 100e9, freeBytes } }))],
  });

  it('does not flap: neither by a moment, nor about a threshold', () => {
    using it = ward(low(50e9));
    for (let i = 0; i < 20; i += 1) {
      it.is(low(1e9));
      it.clock.pass(30_000);
      it.is(low(50e9));
      it.clock.pass(30_000);
    }
    expect(it.events).toEqual([]);
    it.is(low(4e9));
    it.clock.pass(2 * MINUTE);
    for (let i = 0; i < 20; i += 1) {
      it.is(low(6e9));
      it.clock.pass(2 * MINUTE);
      it.is(low(4e9));
      it.clock.pass(2 * MINUTE);
    }
    // Nor does it end by a moment.
    for (let i = 0; i < 20; i += 1) {
      it.is(low(50e9));
      it.clock.pass(30_000);
      it.is(low(4e9));
      it.clock.pass(30_000);
    }
    expect(it.events.map(({ type }) => type)).toEqual(['problem-began']);
  });

  it('gets worse at once and better after a while, since when it began', () => {
    using it = ward(low(4e9));
    const [first] = it.after(2 * MINUTE, 'memory-pressure');
    expect(first?.severity).toBe('warning');
    it.is(low(1e9));
    expect(it.after(6000, 'memory-pressure')).toMatchObject([{ severity: 'critical', since: first?.since }]);
    it.is(low(4e9));
    expect(it.after(30_000, 'memory-pressure')).toMatchObject([{ severity: 'critical' }]);
    expect(it.after(MINUTE, 'memory-pressure')).toMatchObject([{ severity: 'warning', since: first?.since }]);
  });

  it('is bounded, whatever the fleet is and whoever asks for what', () => {
    const many = Array.from({ length: 200 }, (_, i) =>
      server(`s${i}`, { verdict: { state: 'unreliable', sinceMs: 0, cause: 'dial', reason: 'gone' } }),
    );
    using it = ward({ servers: many });
    for (let i = 0; i < 5000; i += 1) it.emit(requestEnded({ model: `m${i}` }));
    expect(it.after(MINUTE, 'server-offline')).toHaveLength(50);
    expect(it.health.report().score).toBe(0);
  });

  it('has commands that run nothing of what others call themselves', () => {
    expect(word('$(reboot)')).toBe("'$(reboot)'");
    expect(word("a'; reboot; '")).toBe("'a'\\''; reboot; '\\'''");
    expect(word('-rf')).toBe("'-rf'");
    expect(word('a\u001b[2J\nb')).toBe("'a[2Jb'");
    expect(word('hf.co/x/y:Q4_K_M')).toBe('hf.co/x/y:Q4_K_M');
    using it = ward(low(4e9));
    it.is({ servers: [server('`id`', machine({ memory: { totalBytes: 100e9, freeBytes: 4e9 } }))] });
    expect(it.after(2 * MINUTE, 'memory-pressure')[0]?.remedy.command).toBe("ollana unload m --on '`id`'");
  });

  it('is also in the words of ollama-herd, with a score', () => {
    expect(scoreOf([])).toBe(100);
    expect(scoreOf([{ severity: 'critical' }, { severity: 'warning' }, { severity: 'info' }])).toBe(59);
    expect(healthReport([], ['x'], undefined)).toEqual({
      score: 100,
      status: 'healthy',
      checks: ['x'],
      lookedAt: null,
      problems: [],
      recommendations: [],
    });
    using it = ward(low(4e9));
    it.clock.pass(2 * MINUTE);
    expect(it.health.report().recommendations).toMatchObject([
      { check_id: 'memory-pressure', severity: 'warning', node_id: 'id-a', fix: 'ollana unload m --on a' },
    ]);
  });

  it('a look at 1000 servers with 20 models each takes little', () => {
    const tags = Array.from({ length: 20 }, (_, i) => ({ name: `m${i}`, digest: 'a'.repeat(64), size: 1e9 }));
    using it = ward({ servers: Array.from({ length: 1000 }, (_, i) => server(`s${i}`, {}, tags)) });
    it.clock.pass(5000);
    const from = performance.now();
    it.clock.pass(50_000);
    const each = (performance.now() - from) / 10;
    expect(each).toBeLessThan(250);
  });
});

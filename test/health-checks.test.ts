import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { MachineFacts } from '../src/fleet/machine-facts.ts';
import { EventStream, type ObservedEvent } from '../src/observe/event-stream.ts';
import { CHECKS } from '../src/observe/health/checks.ts';
import { word } from '../src/observe/health/finding.ts';
import { Health, type Sight } from '../src/observe/health/health.ts';
import { healthReport, scoreOf } from '../src/observe/health/report.ts';
import type { HealthServer } from '../src/observe/health/snapshot.ts';
import { readPs, readTags } from '../src/ollama/lists.ts';
import { modelKey } from '../src/ollama/names.ts';
import { handClock } from './_hand-clock.ts';
import { LOAD_ROW, requestEnded } from './_observed.ts';

const MINUTE = 60_000;

const MACHINE: MachineFacts = {
  atMs: 0,
  ollana: '1',
  system: 'Linux 6.1 x64',
  cpu: { name: 'c', cores: 8, load: 0.1 },
  memory: { totalBytes: 64e9, freeBytes: 32e9 },
  disk: { totalBytes: 1000e9, freeBytes: 500e9 },
  gpus: [],
  link: null,
  parallel: { value: 4, source: 'process' },
  settings: {},
};

function server(
  name: string,
  more: Partial<HealthServer> = {},
  tags: object[] = [{ name: 'm', size: 4e9 }],
): HealthServer {
  const rows = readTags({ models: tags });
  const ps = readPs({ models: [{ name: 'm', size: 4e9, size_vram: 4e9, context_length: 4096 }] });
  return {
    deviceId: `id-${name}`,
    name,
    url: `http://127.0.0.1:1${name.length}`,
    kind: 'ollana',
    sources: ['udp'],
    verdict: { state: 'reliable', sinceMs: 0 },
    version: '0.17.4',
    tags: rows,
    ps,
    modelKeys: new Set(rows.map(({ key }) => key)),
    loadedKeys: new Set(ps.map(({ key }) => key)),
    allowsManage: true,
    freeMemoryBytes: undefined,
    load: undefined,
    latencyMs: 1,
    inFlight: 0,
    isOwn: false,
    machine: MACHINE,
    ...more,
  };
}

/** The health of a fleet that a test describes, by a clock that it moves. */
function ward(first: Partial<Sight> = {}) {
  const clock = handClock();
  const events: ObservedEvent[] = [];
  let sight: Sight = {
    mode: 'client',
    ownUrl: undefined,
    pairing: 'required',
    usesBroadcast: true,
    protectsContext: false,
    servers: [server('a')],
    unanswered: [],
    ...first,
  };
  const stream = new EventStream((error) => {
    throw error;
  });
  const health = new Health({ clock, see: () => sight, emit: stream.emit });
  stream.listen(health.note);
  stream.listen((event) => void events.push(event));
  const of = (check: string) => health.report().problems.filter((one) => one.check === check);
  return {
    clock,
    emit: stream.emit,
    events,
    health,
    is: (more: Partial<Sight>) => {
      sight = { ...sight, ...more };
    },
    of,
    /** What the check has found after `ms`. */
    after: (ms: number, check: string) => {
      clock.pass(ms);
      return of(check);
    },
    [Symbol.dispose]: () => health[Symbol.dispose](),
  };
}

const machine = (more: Partial<MachineFacts>): Partial<HealthServer> => ({
  machine: { ...MACHINE, ...more },
});

interface Facts {
  readonly check: string;
  readonly bad: Partial<Sight>;
  readonly good: Partial<Sight>;
  readonly seen: RegExp;
  readonly command: RegExp;
}

const busy = (queued: number, backlogMs: number) =>
  server('a', { load: { models: { [modelKey('m')]: { ...LOAD_ROW, queued, backlogMs } }, atWork: [] } });

describe('a problem comes and goes', () => {
  it.each<Facts>([
    {
      check: 'memory-pressure',
      bad: { servers: [server('a', machine({ memory: { totalBytes: 64e9, freeBytes: 2e9 } }))] },
      good: { servers: [server('a', machine({ memory: { totalBytes: 64e9, freeBytes: 20e9 } }))] },
      seen: /2\.0 GB of 64\.0 GB free \(3 %\)/,
      command: /^ollana unload m --on a$/,
    },
    {
      check: 'disk-nearly-full',
      bad: {
        servers: [
          server('a', machine({ disk: { totalBytes: 1000e9, freeBytes: 9e9 } }), [
            { name: 'old', size: 9e9 },
          ]),
        ],
      },
      good: { servers: [server('a', machine({ disk: { totalBytes: 1000e9, freeBytes: 90e9 } }))] },
      seen: /9\.0 GB of 1\.0 TB free; old/,
      command: /^ollana rm old --on a$/,
    },
    {
      check: 'queue-saturation',
      bad: { servers: [busy(8, 60_000)] },
      good: { servers: [busy(0, 0)] },
      seen: /8 wait for 1 at once, some 60 s/,
      command: /^ollana serve -d$/,
    },
    {
      check: 'clock-wrong',
      bad: { servers: [server('a', { clockAheadMs: -600_000 })] },
      good: { servers: [server('a', { clockAheadMs: -5000 })] },
      seen: /a is 10 min behind this machine/,
      command: /timedatectl/,
    },
    {
      check: 'broadcast-blocked',
      bad: { servers: [server('a', { sources: ['mdns'] })] },
      good: { servers: [server('a', { sources: ['mdns', 'udp'] })] },
      seen: /a is found by mDNS/,
      command: /discover --explain/,
    },
    {
      check: 'server-unpaired',
      bad: { pairing: 'open', servers: [server('a', { url: 'http://10.0.0.7:11435' })] },
      good: { pairing: 'required' },
      seen: /^a is: anybody/,
      command: /^ollana device pair a$/,
    },
    {
      check: 'keep-alive-seconds',
      bad: { servers: [server('a', machine({ settings: { OLLAMA_KEEP_ALIVE: '5' } }))] },
      good: { servers: [server('a', machine({ settings: { OLLAMA_KEEP_ALIVE: '5m' } }))] },
      seen: /OLLAMA_KEEP_ALIVE=5 has no unit/,
      command: /OLLAMA_KEEP_ALIVE=5m/,
    },
    {
      check: 'ollama-loopback-only',
      bad: {
        unanswered: [
          {
            url: 'http://10.0.0.7:11434',
            name: 'attic',
            sources: ['static'],
            reason: 'connect ECONNREFUSED 10.0.0.7:11434',
          },
        ],
      },
      good: { unanswered: [] },
      seen: /10\.0\.0\.7:11434 refuses/,
      command: /^ollana serve -d$/,
    },
  ])('$check', ({ check, bad, good, seen, command }) => {
    using it = ward(good);
    expect(it.after(10 * MINUTE, check)).toEqual([]);
    it.is(bad);
    const [problem] = it.after(2 * MINUTE, check);
    expect(problem).toMatchObject({
      seen: expect.stringMatching(seen),
      remedy: { command: expect.stringMatching(command) },
    });
    it.is(good);
    expect(it.after(5 * MINUTE, check)).toEqual([]);
    const told = it.events.filter(({ type }) => type.startsWith('problem-')).map(({ type }) => type);
    expect(told).toEqual(['problem-began', 'problem-ended']);
  });

  it('parallel-lost: it ran four at once, and one after a restart', () => {
    using it = ward();
    it.clock.pass(MINUTE);
    it.is({ servers: [server('a', machine({ parallel: { value: 1, source: 'default' } }))] });
    const [problem] = it.after(MINUTE, 'parallel-lost');
    expect(problem).toMatchObject({
      seen: expect.stringContaining('runs 1 at once (default), and ran 4'),
      remedy: { on: 'a', command: expect.stringContaining('OLLAMA_NUM_PARALLEL=4') },
    });
    it.is({ servers: [server('a')] });
    expect(it.after(MINUTE, 'parallel-lost')).toEqual([]);
  });

  it('server-slower: a token takes twice as long as it did', () => {
    const paced = (ms: number) =>
      server('a', {
        load: { models: { [modelKey('m')]: { ...LOAD_ROW, decodeMsPerToken: ms } }, atWork: [] },
      });
    using it = ward({ servers: [paced(20)] });
    it.clock.pass(MINUTE);
    it.is({ servers: [paced(40)] });
    expect(it.after(2 * MINUTE, 'server-slower')).toMatchObject([{ seen: '25 tokens/s, at its best 50' }]);
    // Nearly as fast as before is not mended, while it would not be told anew either.
    it.is({ servers: [paced(27)] });
    expect(it.after(5 * MINUTE, 'server-slower')).toHaveLength(1);
    it.is({ servers: [paced(22)] });
    expect(it.after(5 * MINUTE, 'server-slower')).toEqual([]);
    it.is({ servers: [paced(27)] });
    expect(it.after(5 * MINUTE, 'server-slower')).toEqual([]);
  });

  it('favourite-missing: it is asked to work, not only pulled in vain', () => {
    using it = ward({ servers: [server('a')] });
    for (let i = 0; i < 12; i += 1) it.emit(requestEnded({ model: 'wanted', isUse: false }));
    expect(it.after(2 * MINUTE, 'favourite-missing')).toEqual([]);
    for (let i = 0; i < 12; i += 1) it.emit(requestEnded({ model: 'wanted' }));
    expect(it.after(2 * MINUTE, 'favourite-missing')).toMatchObject([
      { model: 'wanted', seen: '12 requests within the last hour' },
    ]);
  });

  it('server-underused: it could run what others wait for, if it had it', () => {
    const idle = server('idle', {}, [{ name: 'other', size: 1 }]);
    using it = ward({ servers: [server('a'), idle] });
    for (let i = 0; i < 12; i += 1) it.emit(requestEnded({ queueMs: 5000 }));
    expect(it.after(MINUTE, 'server-underused')).toMatchObject([
      {
        server: 'idle',
        seen: expect.stringContaining('12 of 12'),
        remedy: { command: 'ollana pull m --on idle' },
      },
    ]);
    it.is({ servers: [server('a'), server('idle')] });
    expect(it.after(3 * MINUTE, 'server-underused')).toEqual([]);
  });

  it('queue-saturation: requests are turned away', () => {
    using it = ward();
    it.emit(requestEnded({ outcome: 'failed', status: 503, errorCode: 'OLLANA_QUEUE_FULL' }));
    expect(it.after(MINUTE, 'queue-saturation')).toMatchObject([{ severity: 'critical' }]);
    expect(it.after(20 * MINUTE, 'queue-saturation')).toEqual([]);
  });

  it('clock-wrong: it is ours where most servers say so', () => {
    const ahead = (name: string, ms: number) => server(name, { clockAheadMs: ms });
    using it = ward({ servers: [ahead('a', 300_000), ahead('bb', 301_000), ahead('ccc', 0)] });
    expect(it.after(MINUTE, 'clock-wrong')).toMatchObject([
      { title: "this machine's clock is wrong", seen: '2 of 3 servers are 5 min ahead of it' },
    ]);
    it.is({ servers: [ahead('a', 0), ahead('bb', 1000), ahead('ccc', 0)] });
    expect(it.after(MINUTE, 'clock-wrong')).toEqual([]);
  });

  it('broadcast-blocked: what discovery cannot do is believed for a while, or until the network changes', () => {
    using it = ward({ servers: [server('a', { sources: ['static'] })] });
    it.emit({ type: 'send-failed', interface: 'eth7', reason: 'EPERM' });
    expect(it.after(2 * MINUTE, 'broadcast-blocked')).toMatchObject([{ seen: 'cannot send on eth7: EPERM' }]);
    expect(it.after(15 * MINUTE, 'broadcast-blocked')).toEqual([]);
    it.emit({ type: 'links-changed', links: [] });
    expect(it.after(2 * MINUTE, 'broadcast-blocked')).toMatchObject([
      { title: expect.stringContaining('no network') },
    ]);
    it.is({ usesBroadcast: false });
    expect(it.after(3 * MINUTE, 'broadcast-blocked')).toEqual([]);
  });

  it('server-unpaired: who is found and not paired, where only paired ones are used', () => {
    const found = {
      url: 'http://10.0.0.9:11435',
      name: 'cellar',
      sources: ['udp'],
      reason: 'found, not paired',
      notPaired: true,
    };
    using it = ward({ unanswered: [found] });
    expect(it.after(MINUTE, 'server-unpaired')).toMatchObject([
      { remedy: { command: 'ollana device pair cellar' } },
    ]);
    expect(it.of('server-offline')).toEqual([]);
    it.is({ unanswered: [] });
    expect(it.after(MINUTE, 'server-unpaired')).toEqual([]);
  });
});

it('each check is brought about and resolved by a test', () => {
  const here = ['./health-checks.test.ts', './health-daemon.test.ts'];
  const text = here
    .map((file) => readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8'))
    .join('');
  expect(CHECKS.filter(({ id }) => !text.includes(`'${id}'`)).map(({ id }) => id)).toEqual([]);
  expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length);
});

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

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CHECKS } from '../src/observe/health/checks.ts';
import type { Sight } from '../src/observe/health/health.ts';
import { modelKey } from '../src/ollama/names.ts';
import { MINUTE, machine, server, ward } from './_health.ts';
import { LOAD_ROW, requestEnded } from './_observed.ts';

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
  const here = [
    './health-checks.test.ts',
    './health-daemon.test.ts',
    './health-daemon-models.test.ts',
    './health-daemon-requests.test.ts',
  ];
  const text = here
    .map((file) => readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8'))
    .join('');
  expect(CHECKS.filter(({ id }) => !text.includes(`'${id}'`)).map(({ id }) => id)).toEqual([]);
  expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length);
});

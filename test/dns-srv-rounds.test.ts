import { describe, expect, it } from 'vitest';
import type { Clock } from '../src/clock.ts';
import { ManualClock } from './_beacon.ts';
import { until } from './_deadline.ts';
import { a, type NameServer, type Said, soa, srv } from './_dns.ts';
import { at, follow, NAME, server, zone } from './_dns-srv.ts';

describe('a name is asked again', () => {
  const one = (address: string, ttl: number): Said => ({
    answers: [srv(NAME, 'gpu.example', 11435, 0, ttl)],
    additionals: [a('gpu.example', address, ttl)],
  });

  /** The source on a clock of its own; resolves when so many questions were asked. */
  async function rounds(say: NameServer['say']) {
    const dns = await server(say);
    const clock = new ManualClock();
    let timers = 0;
    const counting: Clock = {
      now: () => clock.now(),
      wall: () => clock.wall(),
      every: (ms, fn) => clock.every(ms, fn),
      after: (ms, fn) => {
        timers += 1;
        return clock.after(ms, fn);
      },
    };
    const following = await follow([at(NAME, dns)], { clock: counting });
    // One timer waits for each answer; the one after them waits for the next round.
    const idle = (asked: number, done = asked) =>
      until(2000, `round ${done}`, () => dns.asked.length === asked && timers === asked + done);
    return { dns, clock, idle, ...following };
  }

  it('when its records run out: no sooner, and what is gone says goodbye', async () => {
    const { dns, clock, idle, seen } = await rounds(() => one('10.0.0.1', 40));
    await idle(1);
    dns.say = () => one('10.0.0.2', 40);
    clock.advance(39_999);
    expect(dns.asked).toHaveLength(1);
    clock.advance(1);
    await idle(2);
    expect(seen()).toEqual([
      ['http://10.0.0.1:11435', 120_000],
      ['http://10.0.0.1:11435', 0],
      ['http://10.0.0.2:11435', 120_000],
    ]);
  });

  it.each([
    [0, 1000, 15_000],
    [86_400, 300_000, 900_000],
  ])('a time of %d s is taken for %d ms, the claims count %d ms', async (ttl, againMs, leaseMs) => {
    const { dns, clock, idle, seen } = await rounds(() => one('10.0.0.1', ttl));
    await idle(1);
    clock.advance(againMs - 1);
    expect(dns.asked).toHaveLength(1);
    clock.advance(1);
    await idle(2);
    expect(seen()).toEqual([
      ['http://10.0.0.1:11435', leaseMs],
      ['http://10.0.0.1:11435', leaseMs],
    ]);
  });

  it('after a failure in 1 s, 2 s, 4 s ... 30 s, without a goodbye, and it is said once', async () => {
    const { dns, clock, idle, seen, notices } = await rounds(() => one('10.0.0.1', 60));
    await idle(1);
    dns.say = () => ({ code: 2 });
    clock.advance(60_000);
    await idle(2);
    for (const [index, seconds] of [1, 2, 4, 8, 16, 30, 30].entries()) {
      clock.advance(seconds * 1000 - 1);
      expect(dns.asked).toHaveLength(index + 2);
      clock.advance(1);
      await idle(index + 3);
    }
    expect(seen()).toEqual([['http://10.0.0.1:11435', 180_000]]);
    expect(notices).toEqual([
      { type: 'dns-failed', name: NAME, reason: `127.0.0.1 port ${dns.port}: it failed (SERVFAIL)` },
    ]);
    dns.say = () => one('10.0.0.1', 60);
    clock.advance(30_000);
    await idle(10);
    expect(seen()).toHaveLength(2);
    dns.say = () => ({ code: 5 });
    clock.advance(60_000);
    await idle(11);
    expect(notices).toHaveLength(2);
  });

  it('when the name is gone, which is a goodbye to all, as soon as its zone says', async () => {
    const { dns, clock, idle, seen, notices } = await rounds(() => one('10.0.0.1', 5));
    await idle(1);
    dns.say = () => ({ code: 3, authorities: [soa('gpu.example', 60, 7)] });
    clock.advance(5000);
    await idle(2);
    expect(seen()).toEqual([
      ['http://10.0.0.1:11435', 15_000],
      ['http://10.0.0.1:11435', 0],
    ]);
    expect(notices).toMatchObject([{ type: 'dns-empty', name: NAME }]);
    dns.say = () => one('10.0.0.1', 5);
    clock.advance(7000);
    await idle(3);
    expect(seen()).toHaveLength(3);
  });

  it('without a goodbye to those whose address cannot be found out this time', async () => {
    const { dns, clock, idle, seen } = await rounds(({ name, type }) => {
      if (type === 'SRV')
        return { answers: [srv(NAME, 'x.example', 1, 0, 5), srv(NAME, 'y.example', 1, 0, 5)] };
      if (type === 'AAAA') return {};
      return { answers: [a(name, name === 'x.example' ? '10.0.0.1' : '10.0.0.2', 5)] };
    });
    await idle(5, 1);
    dns.say = ({ name, type }) => {
      if (type === 'SRV') return { answers: [srv(NAME, 'x.example', 1, 0, 5)] };
      return name === 'x.example' ? { code: 2 } : {};
    };
    clock.advance(5000);
    await idle(8, 2);
    expect(seen().slice(2)).toEqual([['http://10.0.0.2:1', 0]]);
    dns.say = () => ({ code: 3 });
    clock.advance(1000);
    await idle(9, 3);
    expect(seen().slice(3)).toEqual([['http://10.0.0.1:1', 0]]);
  });

  it('at once when somebody wants it, but once a second', async () => {
    const { dns, clock, idle, source } = await rounds(() => one('10.0.0.1', 60));
    await idle(1);
    source.refresh();
    clock.advance(1000);
    expect(dns.asked).toHaveLength(1);
    source.refresh();
    source.refresh();
    await idle(2);
    clock.advance(59_999);
    expect(dns.asked).toHaveLength(2);
  });

  it('at once after a sleep of the machine', async () => {
    const { dns, clock, idle } = await rounds(() => one('10.0.0.1', 300));
    await idle(1);
    clock.advance(5000);
    clock.jumpWall(3_600_000);
    clock.advance(1000);
    await idle(2);
    expect(dns.asked).toHaveLength(2);
  });
});

it('a server that two names lead to is gone when neither does, and in the first tier that one has it in', async () => {
  const records = { both: 'SRV both.example', one: 'SRV one.example' };
  const said: Record<string, Said> = {
    [records.both]: {
      answers: [srv('both.example', 'x', 1, 1, 1), srv('both.example', 'gpu', 1, 2, 1)],
      additionals: [a('gpu', '10.0.0.1'), a('x', '10.0.0.9')],
    },
    [records.one]: { answers: [srv('one.example', 'gpu', 1, 0, 1)], additionals: [a('gpu', '10.0.0.1')] },
  };
  const dns = await server(zone(said));
  const { sightings, source } = await follow([at('both.example', dns), at('one.example', dns)]);
  const claims = () => sightings.all.filter(({ url }) => url === 'http://10.0.0.1:1');
  await until(2000, 'both names', () => claims().length >= 2);
  expect(claims().at(-1)).toMatchObject({ tier: 0 });
  const before = dns.asked.length;
  said[records.one] = { code: 3 };
  await until(5000, 'the next rounds', () => dns.asked.length >= before + 4 && claims().at(-1)?.tier === 1);
  expect(claims().every(({ leaseMs }) => leaseMs > 0)).toBe(true);
  said[records.both] = { code: 3 };
  await until(5000, 'the goodbye', () => claims().at(-1)?.leaseMs === 0);
  await source[Symbol.asyncDispose]();
});

import { networkInterfaces } from 'node:os';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../src/clock.ts';
import type { DnsNotice } from '../src/discovery/dns-notice.ts';
import { DnsSrv, type DnsSrvOptions } from '../src/discovery/dns-srv.ts';
import { ManualClock, Sightings } from './_beacon.ts';
import { until } from './_deadline.ts';
import { a, aaaa, cname, message, type NameServer, nameServer, type Said, soa, srv } from './_dns.ts';
import { skipBecause } from './_skip.ts';

const NAME = '_ollama._tcp.gpu.example';
const PLAIN = 'ollama.default.svc.cluster.local';

interface Following {
  readonly sightings: Sightings;
  readonly notices: DnsNotice[];
  readonly source: DnsSrv;
  /** Address and lease of each sighting so far. */
  seen(): readonly (readonly [string, number])[];
}

async function follow(names: readonly string[], more: Partial<DnsSrvOptions> = {}): Promise<Following> {
  const sightings = new Sightings();
  const notices: DnsNotice[] = [];
  const source = new DnsSrv({
    names,
    httpPort: 11435,
    clock: systemClock,
    random: () => 0,
    onSighting: sightings.add,
    onNotice: (notice) => void notices.push(notice),
    ...more,
  });
  onTestFinished(() => source[Symbol.asyncDispose]());
  await Promise.all([source.start(), source.start()]);
  const seen = () => sightings.all.map(({ url, leaseMs }) => [url, leaseMs] as const);
  return { sightings, notices, source, seen };
}

async function server(say?: NameServer['say'], address?: '::1'): Promise<NameServer> {
  const made = await nameServer(say, address);
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made;
}

const turnOfLoop = () => new Promise((resolve) => setImmediate(resolve));

const at = (name: string, { port }: NameServer) => `dns:${name}@127.0.0.1:${port}`;

/** Says the same to each question of a type and name, and that there is no such name to all others. */
const zone =
  (records: Readonly<Record<string, Said>>): NameServer['say'] =>
  ({ name, type }) =>
    records[`${type} ${name}`] ?? { code: 3 };

describe('servers are found', () => {
  it('where SRV records point, by the addresses that come with them', async () => {
    const dns = await server(
      zone({
        [`SRV ${NAME}`]: {
          answers: [srv(NAME, 'gpu1.example', 11435), srv(NAME, 'gpu2.example', 11434, 9)],
          additionals: [
            a('gpu1.example', '10.0.0.1'),
            aaaa('gpu1.example', 'fd00::1'),
            a('gpu2.example', '10.0.0.2'),
          ],
        },
      }),
    );
    const { sightings } = await follow([at(NAME, dns)]);
    await until(2000, 'the servers', () => sightings.all.length === 3);
    expect(sightings.all).toMatchObject([
      { source: 'dns', url: 'http://10.0.0.1:11435', tier: 0, leaseMs: 180_000 },
      { source: 'dns', url: 'http://[fd00::1]:11435', tier: 0, leaseMs: 180_000 },
      { source: 'dns', url: 'http://10.0.0.2:11434', tier: 1, leaseMs: 180_000 },
    ]);
    expect(dns.asked).toHaveLength(1);
  });

  it('where they point, by addresses that are asked for, through aliases', async () => {
    const dns = await server(
      zone({
        [`SRV ${NAME}`]: { answers: [cname(NAME, 'x.example'), srv('x.example', 'gpu1.example', 11435)] },
        'A gpu1.example': {
          answers: [cname('gpu1.example', 'host.example'), a('host.example', '10.0.0.1', 7)],
        },
        'AAAA gpu1.example': { answers: [] },
      }),
    );
    const { seen } = await follow([at(NAME, dns)]);
    await until(2000, 'the server', () => seen().length === 1);
    expect(seen()).toEqual([['http://10.0.0.1:11435', 21_000]]);
  });

  it('at the addresses of a name without SRV records, on the port of ollana', async () => {
    const dns = await server(
      zone({
        [`A ${PLAIN}`]: { answers: [a(PLAIN, '10.1.0.2'), a(PLAIN, '10.1.0.1')] },
        [`AAAA ${PLAIN}`]: { answers: [aaaa(PLAIN, 'fd00::7')] },
      }),
    );
    const { sightings } = await follow([at(`${PLAIN}.`, dns)]);
    await until(2000, 'the servers', () => sightings.all.length === 3);
    expect(sightings.urls).toEqual([
      'http://10.1.0.1:11435',
      'http://10.1.0.2:11435',
      'http://[fd00::7]:11435',
    ]);
  });

  it('over TCP where the answer is cut, all of its addresses', async () => {
    const answers = Array.from({ length: 256 }, (_, i) => a(PLAIN, `10.2.${i >> 6}.${i & 63}`));
    const dns = await server(({ over, type }) => {
      if (type !== 'A') return { answers: [] };
      return over === 'udp' ? { truncated: true, answers: answers.slice(0, 3) } : { answers };
    });
    const { sightings } = await follow([at(PLAIN, dns)]);
    await until(2000, 'the servers', () => sightings.urls.length === 256);
  });

  it('over TCP where a long answer does not say that it was cut, as Consul does', async () => {
    const all = Array.from({ length: 40 }, (_, i) => srv(NAME, `${i}.addr.dc1.consul`, 11435));
    const additionals = all.map((_, i) => a(`${i}.addr.dc1.consul`, `10.0.0.${i + 1}`));
    const dns = await server(({ over }) =>
      over === 'tcp'
        ? { answers: all, additionals }
        : { answers: all.slice(9, 17), additionals: additionals.slice(9, 17) },
    );
    const { sightings } = await follow([at(NAME, dns)]);
    await until(2000, 'the servers', () => sightings.urls.length === 40);
  });

  it('by Consul on its own port, which asks to be asked again at once and puts more beside than addresses', async () => {
    const name = '_ollama._tcp.service.consul';
    const hosts = ['gpu-1.node.dc1.consul', '0a000002.addr.dc1.consul'] as const;
    const dns = await server(
      zone({
        [`SRV ${name}`]: {
          answers: hosts.map((host) => srv(name, host, 11435, 1, 0)),
          additionals: [
            a(hosts[0], '10.0.0.1', 0),
            { type: 'TXT', name: hosts[0], ttl: 0, data: 'consul-network-segment=' },
            a(hosts[1], '10.0.0.2', 0),
          ],
        },
      }),
    );
    const { sightings } = await follow([at(name, dns)]);
    await until(2000, 'the servers', () => sightings.all.length >= 2);
    expect([...sightings.urls].sort()).toEqual(['http://10.0.0.1:11435', 'http://10.0.0.2:11435']);
    expect(dns.asked.map(({ type }) => type)).toEqual(['SRV']);
    // Its "0 s" means a second here, and a claim that outlives some silence of the resolver.
    await until(3000, 'the next question', () => dns.asked.length === 2);
    expect(Math.min(...sightings.all.map(({ leaseMs }) => leaseMs))).toBeGreaterThanOrEqual(3000);
  });

  it('over TCP where the server does not understand the question over UDP', async () => {
    const dns = await server(({ over, type, id }) => {
      if (over === 'udp') return Buffer.from([id >> 8, id & 255, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
      return type === 'A' ? { answers: [a(PLAIN, '10.0.0.1')] } : {};
    });
    const { sightings } = await follow([at(PLAIN, dns)]);
    await until(2000, 'the server', () => sightings.all.length === 1);
  });

  it('by the system’s resolvers: the first that can answer, and it first from then on', async () => {
    const broken = await server(() => ({ code: 2 }));
    const good = await server(
      zone({ [`A ${PLAIN}`]: { answers: [a(PLAIN, '10.0.0.1')] }, [`AAAA ${PLAIN}`]: {} }),
    );
    const systemResolvers = () => [`127.0.0.1:${broken.port}`, `127.0.0.1:${good.port}`];
    const { sightings } = await follow([`dns:${PLAIN}`], { systemResolvers });
    await until(2000, 'the server', () => sightings.all.length === 1);
    expect([broken.asked.length, good.asked.length]).toEqual([1, 3]);
  });

  it('by ids and ports that differ from question to question', async () => {
    const dns = await server(({ type }) => (type === 'SRV' ? {} : { answers: [] }));
    await follow(Array.from({ length: 20 }, (_, i) => at(`n${i}.example`, dns)));
    await until(3000, 'the questions', () => dns.asked.length === 60);
    expect(new Set(dns.asked.map(({ id }) => id)).size).toBeGreaterThan(55);
    expect(new Set(dns.asked.map(({ port }) => port)).size).toBeGreaterThan(40);
  });
});

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

describe('a resolver with an IPv6 address', () => {
  const addresses = Object.values(networkInterfaces()).flatMap((infos) => infos ?? []);
  skipBecause(addresses.some(({ address }) => address === '::1') ? undefined : 'this machine has no ::1');

  it('is asked over TCP', async () => {
    const dns = await server(zone({ [`A ${PLAIN}`]: { answers: [a(PLAIN, '10.0.0.1')] } }), '::1');
    const { sightings } = await follow([`dns:${PLAIN}@[::1]:${dns.port}`]);
    await until(2000, 'the server', () => sightings.all.length === 1);
    expect(new Set(dns.asked.map(({ over }) => over))).toEqual(new Set(['tcp']));
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

describe('what others send', () => {
  const GOOD: Said = { answers: [srv(NAME, 'gpu', 1)], additionals: [a('gpu', '10.0.0.1')] };
  const EVIL: Said = { answers: [srv(NAME, 'evil', 1)], additionals: [a('evil', '6.6.6.6')] };

  it('is no answer with another id or question, or from another port', async () => {
    const other = await server();
    const dns = await server();
    dns.say = (query) => {
      void (async () => {
        await dns.send(message({ ...query, id: query.id ^ 1 }, EVIL), query.port);
        await dns.send(message({ ...query, name: 'evil.example' }, EVIL), query.port);
        await dns.send(message({ ...query, type: 'A' }, EVIL), query.port);
        await other.send(message(query, EVIL), query.port);
        await dns.send(message(query, GOOD), query.port);
      })();
      return undefined;
    };
    const { sightings } = await follow([at(NAME, dns)]);
    await until(2000, 'the server', () => sightings.all.length > 0);
    expect(sightings.urls).toEqual(['http://10.0.0.1:1']);
  });

  it('does not end the wait for the answer: 10 000 datagrams, bits flipped, cut or random', async () => {
    const dns = await server();
    let state = 7;
    const random = () => (state = (state * 48_271) % 0x7fff_ffff);
    dns.say = (query) => {
      void (async () => {
        const real = message({ ...query, id: query.id ^ 0x8000 }, GOOD);
        for (let sent = 0; sent < 10_000; sent += 1) {
          const bytes = Buffer.from(real.subarray(0, sent % 3 ? real.length : random() % real.length));
          if (sent % 3 === 1) bytes[2 + (random() % (bytes.length - 2))]! ^= 1 << (random() & 7);
          if (sent % 3 === 2) for (let i = 2; i < bytes.length; i += 1) bytes[i] = random() & 255;
          await dns.send(bytes, query.port);
          // Else the system's buffer is full before any is read, and the rest is lost.
          if (sent % 10 === 0) await turnOfLoop();
        }
        await dns.send(message(query, GOOD), query.port);
      })();
      return undefined;
    };
    // Stands still, so that the flood may take the time that the machine needs for it.
    const { sightings } = await follow([at(NAME, dns)], { clock: new ManualClock() });
    await until(15_000, 'the server', () => sightings.all.length > 0);
    expect(sightings.urls).toEqual(['http://10.0.0.1:1']);
    expect(dns.asked).toHaveLength(1);
  });

  it('with the right id but no sense, eight times, is a failure, said so', async () => {
    const dns = await server();
    dns.say = (query) => {
      const bytes = message(query, GOOD);
      bytes[7] = 99;
      for (let sent = 0; sent < 8; sent += 1) void dns.send(bytes, query.port);
      return undefined;
    };
    const { notices } = await follow([at(NAME, dns)]);
    await until(500, 'the notice', () => notices.length === 1);
    expect(notices[0]?.reason).toContain('make no sense');
  });

  it('over TCP ends the round when it is nonsense, is cut, or says nothing', async () => {
    for (const say of [Buffer.alloc(40, 255), Buffer.alloc(0)]) {
      const dns = await server(({ over }) => (over === 'udp' ? { truncated: true } : say));
      const { notices } = await follow([at(NAME, dns)]);
      await until(2000, 'the notice', () => notices.length === 1);
      expect(notices[0]?.reason).toMatch(/TCP makes no sense/);
    }
  });

  it('leads to no more than 256 servers, and asks for no more than 32 addresses', async () => {
    const answers = Array.from({ length: 600 }, (_, i) => srv(NAME, `h${i}.example`, 1));
    const dns = await server(({ type, over }) => {
      if (type !== 'SRV') return {};
      return over === 'udp' ? { truncated: true } : { answers };
    });
    const { notices } = await follow([at(NAME, dns)]);
    await until(5000, 'the end of the round', () => notices.length === 1);
    // The SRV records by UDP, again over TCP, then A and AAAA of each.
    expect(dns.asked).toHaveLength(2 + 64);
  });
});

it('a resolver that is silent is asked twice, then it is a failure that names it', async () => {
  const dns = await server(() => undefined);
  const { notices } = await follow([at(NAME, dns)]);
  await until(6000, 'the notice', () => notices.length === 1);
  expect(dns.asked.map(({ over }) => over)).toEqual(['udp', 'udp']);
  expect(notices[0]?.reason).toBe(`127.0.0.1 port ${dns.port}: no answer over UDP in 2000 ms`);
});

it('a machine without a resolver says so', async () => {
  const { notices } = await follow([`dns:${NAME}`], { systemResolvers: () => [] });
  await until(2000, 'the notice', () => notices.length === 1);
  expect(notices[0]?.reason).toBe('this machine has no DNS resolver');
});

it('after disposal nothing is asked, reported or left', async () => {
  const dns = await server(() => undefined);
  const clock = new ManualClock();
  const { source, sightings, notices } = await follow([at(NAME, dns)], { clock });
  await until(2000, 'the question', () => dns.asked.length === 1);
  await source[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
  await source.start();
  source.refresh();
  await until(2000, 'no timer', () => clock.pending === 0);
  clock.advance(100_000);
  expect([sightings.all.length, notices.length, clock.pending, dns.asked.length]).toEqual([0, 0, 0, 1]);
});

it('a bad name is refused before anything starts', () => {
  const options = { httpPort: 1, clock: systemClock, onSighting: () => {} };
  const refused = () => new DnsSrv({ ...options, names: [`dns:${NAME}`, 'dns:a b\n@c'] });
  expect(refused).toThrow(expect.objectContaining({ code: 'OLLANA_BAD_OPTION' }));
  expect(refused).toThrow(/^bad discover "dns:a b @c": .*dns:_ollama\._tcp\.gpu\.example/);
});

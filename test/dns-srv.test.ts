import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { DnsSrv } from '../src/discovery/dns-srv.ts';
import { ManualClock } from './_beacon.ts';
import { until } from './_deadline.ts';
import { a, aaaa, cname, srv } from './_dns.ts';
import { at, follow, NAME, PLAIN, server, zone } from './_dns-srv.ts';
import { skipBecause } from './_skip.ts';

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

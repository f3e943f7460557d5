import { describe, expect, it } from 'vitest';
import { ManualClock } from './_beacon.ts';
import { until } from './_deadline.ts';
import { a, message, type Said, srv } from './_dns.ts';
import { at, follow, NAME, server } from './_dns-srv.ts';

const turnOfLoop = () => new Promise((resolve) => setImmediate(resolve));

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

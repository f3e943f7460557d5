import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { DnsNotice } from '../../src/discovery/dns-notice.ts';
import { DnsSrv } from '../../src/discovery/dns-srv.ts';
import { Sightings } from '../_beacon.ts';
import { until } from '../_deadline.ts';
import { type Dnsmasq, dnsmasqUnavailable, startDnsmasq } from '../_dnsmasq.ts';
import { freePort } from '../_ports.ts';
import { skipBecause } from '../_skip.ts';

const NAME = '_ollama._tcp.gpu.example';
const SRV = (host: string, port = 11435, priority = 0) => `srv-host=${NAME},${host},${port},${priority},1`;

async function follow(name: string, dns: Dnsmasq) {
  const sightings = new Sightings();
  const notices: DnsNotice[] = [];
  const source = new DnsSrv({
    names: [`dns:${name}@127.0.0.1:${dns.port}`],
    httpPort: 11435,
    clock: systemClock,
    onSighting: sightings.add,
    onNotice: (notice) => void notices.push(notice),
  });
  onTestFinished(() => source[Symbol.asyncDispose]());
  await source.start();
  /** Resolves with its time when the newest claim of an address is as wanted: alive or gone. */
  const stands = (address: string, alive: boolean) =>
    until(10_000, `${address} ${alive ? 'claimed' : 'gone'}`, () => {
      const last = sightings.all.findLast(({ url }) => new URL(url).hostname === address);
      return last && last.leaseMs > 0 === alive && last;
    });
  return { sightings, notices, source, stands };
}

async function dnsmasq(records: readonly string[]): Promise<Dnsmasq> {
  const made = await startDnsmasq(await freePort(), records);
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made;
}

describe('discovery by a real name server', { timeout: 60_000 }, () => {
  skipBecause(dnsmasqUnavailable());

  it('finds a new server when its records have run out, and says goodbye to one that was taken out', async () => {
    const gpu1 = [SRV('gpu1.example', 11434), 'host-record=gpu1.example,10.0.0.1,fd00::1'];
    const gpu2 = [SRV('gpu2.example', 11435, 5), 'host-record=gpu2.example,10.0.0.2'];
    const dns = await dnsmasq(gpu1);
    const { sightings, stands } = await follow(NAME, dns);
    await stands('10.0.0.1', true);
    await stands('[fd00::1]', true);
    expect(sightings.urls).toEqual(['http://10.0.0.1:11434', 'http://[fd00::1]:11434']);
    await dns.configure([...gpu1, ...gpu2]);
    expect(await stands('10.0.0.2', true)).toMatchObject({ url: 'http://10.0.0.2:11435', tier: 1 });
    await dns.configure(gpu2);
    await stands('10.0.0.1', false);
    await stands('[fd00::1]', false);
    expect(await until(5000, 'the next round', () => sightings.all.at(-1)?.tier === 0)).toBe(true);
    expect(sightings.all.at(-1)).toMatchObject({ url: 'http://10.0.0.2:11435' });
  });

  it('asks no more often than the records last', async () => {
    const dns = await dnsmasq([SRV('gpu1.example'), 'host-record=gpu1.example,10.0.0.1']);
    const started = performance.now();
    await follow(NAME, dns);
    await until(10_000, 'four rounds', () => dns.queries().length >= 4);
    const seconds = (performance.now() - started) / 1000;
    expect(seconds).toBeGreaterThan(2.9);
    expect(new Set(dns.queries())).toEqual(new Set([`query[SRV] ${NAME}`]));
  });

  it('follows the addresses of a name without SRV records', async () => {
    const dns = await dnsmasq([]);
    dns.setHosts(['10.1.0.1 ollama.gpu.example', '10.1.0.2 ollama.gpu.example']);
    const { sightings, stands } = await follow('ollama.gpu.example', dns);
    await stands('10.1.0.1', true);
    await stands('10.1.0.2', true);
    dns.setHosts(['10.1.0.2 ollama.gpu.example', '10.1.0.3 ollama.gpu.example']);
    await stands('10.1.0.3', true);
    await stands('10.1.0.1', false);
    expect(sightings.urls).toEqual([1, 2, 3].map((n) => `http://10.1.0.${n}:11435`));
  });

  it('keeps what it knows while the name server is away, and goes on when it is back', async () => {
    const gpu1 = [SRV('gpu1.example'), 'host-record=gpu1.example,10.0.0.1'];
    const dns = await dnsmasq(gpu1);
    const { sightings, notices, stands } = await follow(NAME, dns);
    await stands('10.0.0.1', true);
    await dns.kill();
    await until(10_000, 'the notice', () => notices.length > 0);
    expect(notices).toMatchObject([{ type: 'dns-failed', name: NAME }]);
    expect(sightings.all.every(({ leaseMs }) => leaseMs > 0)).toBe(true);
    const before = sightings.all.length;
    await dns.configure(gpu1);
    await until(20_000, 'the next claim', () => sightings.all.length > before);
  });

  it('finds a hundred servers in an answer that fits into no datagram', async () => {
    const hosts = Array.from({ length: 100 }, (_, i) => `gpu${i}.example`);
    const dns = await dnsmasq(hosts.flatMap((host, i) => [SRV(host), `host-record=${host},10.3.0.${i + 1}`]));
    const { sightings } = await follow(NAME, dns);
    await until(10_000, 'all of them', () => sightings.urls.length === 100);
  });
});

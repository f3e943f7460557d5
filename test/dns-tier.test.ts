import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { Fleet } from '../src/fleet/fleet.ts';
import type { PoolServer, ServerFacts } from '../src/fleet/pool.ts';
import { rank, tierOf } from '../src/routing/policy.ts';
import { PLAIN } from '../src/security/dial.ts';
import { PathAgent } from '../src/security/path-agent.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';
import { a, nameServer, srv } from './_dns.ts';
import { ask } from './_simulate-client.ts';

const NAME = '_ollama._tcp.gpu.example';
const LASTING = Number.POSITIVE_INFINITY;

async function fleetWith(servers: number) {
  const agent = new PathAgent({}, PLAIN);
  const fleet = new Fleet({
    ownDeviceId: undefined,
    clock: systemClock,
    agent,
    connectTimeoutMs: 1000,
    emit: () => {},
  });
  onTestFinished(() => {
    fleet[Symbol.dispose]();
    agent.destroy();
  });
  const urls: string[] = [];
  for (let i = 0; i < servers; i += 1) {
    const ollama = await startSimulatedOllama({ clock: systemClock });
    onTestFinished(() => ollama[Symbol.asyncDispose]());
    urls.push(ollama.url);
  }
  const known = (url: string) =>
    until(3000, 'the server', () => fleet.servers().find((one) => one.url === url && one.tags !== undefined));
  return { fleet, urls, known };
}

const poolOf = (servers: readonly ServerFacts[]): PoolServer[] =>
  servers.map((server) => ({ ...server, inFlight: 0 }));

it('the tier that a source says is a server’s, and moves with it', async () => {
  const { fleet, urls, known } = await fleetWith(1);
  const [url = ''] = urls;
  let changes = 0;
  fleet.onChange(() => {
    changes += 1;
  });
  fleet.sight({ source: 'dns', url, leaseMs: LASTING, tier: 2 });
  expect((await known(url)).tier).toBe(2);
  // The LAN knows no tiers, and its word makes the server no better.
  fleet.sight({ source: 'udp', url, leaseMs: LASTING });
  expect(fleet.servers()[0]?.tier).toBe(2);
  const before = changes;
  fleet.sight({ source: 'dns', url, leaseMs: LASTING, tier: 2 });
  expect(changes).toBe(before);
  fleet.sight({ source: 'dns', url, leaseMs: LASTING, tier: 0 });
  expect(changes).toBe(before + 1);
  expect(fleet.servers()[0]?.tier).toBe(0);
});

it('a server that no source gives a tier has none', async () => {
  const { fleet, urls, known } = await fleetWith(1);
  fleet.sight({ source: 'static', url: urls[0] ?? '', leaseMs: LASTING });
  expect('tier' in (await known(urls[0] ?? ''))).toBe(false);
});

it('earlier tiers are used up first: behind the verdict, and before this machine’s own', async () => {
  const { fleet, urls, known } = await fleetWith(3);
  for (const [tier, url] of urls.entries()) fleet.sight({ source: 'dns', url, leaseMs: LASTING, tier });
  const facts = await Promise.all(urls.map(known));
  const order = (servers: readonly ServerFacts[]) =>
    rank(poolOf(servers), { modelKey: undefined, tried: new Set(), turn: 1 }).map(({ server }) =>
      urls.indexOf(server.url),
    );
  expect(order([...facts].reverse())).toEqual([0, 1, 2]);
  const [first, ...others] = facts as [ServerFacts, ...ServerFacts[]];
  const failed = {
    ...first,
    verdict: { state: 'unreliable', sinceMs: 0, cause: 'dial', reason: 'r' },
  } as const;
  expect(order([failed, ...others])).toEqual([1, 2, 0]);
  const own = { ...first, kind: 'local' } as const;
  const far = { ...first, tier: 60_000 };
  const tiers = [first, { ...first, tier: 1 }, far, own, failed].map((one) => tierOf(one, undefined));
  expect(tiers).toEqual([...new Set(tiers)].sort((one, other) => one - other));
});

it('requests go to the first priority of an SRV name, and to the next when that is away', async () => {
  const backup = await startSimulatedOllama({ clock: systemClock, label: 'backup' });
  onTestFinished(() => backup[Symbol.asyncDispose]());
  const first = await startSimulatedOllama({ clock: systemClock, label: 'first' });
  onTestFinished(() => first[Symbol.asyncDispose]());
  const portOf = (url: string) => Number(new URL(url).port);
  const dns = await nameServer(({ type }) => {
    if (type !== 'SRV') return { code: 3 };
    return {
      answers: [
        srv(NAME, 'backup.example', portOf(backup.url), 20, 1),
        srv(NAME, 'first.example', portOf(first.url), 10, 1),
      ],
      additionals: [a('backup.example', '127.0.0.1', 1), a('first.example', '127.0.0.1', 1)],
    };
  });
  onTestFinished(() => dns[Symbol.asyncDispose]());
  await using cluster = await startCluster({
    ollamas: [],
    client: { discover: [`dns:${NAME}@127.0.0.1:${dns.port}`] },
  });
  await until(5000, 'both servers', () => {
    const { servers } = cluster.client.status();
    return servers.length === 2 && servers.every(({ models }) => models.length > 0);
  });
  expect(cluster.client.status().servers.map(({ sources }) => sources)).toEqual([['dns'], ['dns']]);
  const model = first.models.list()[0]?.name ?? '';
  const servedBy = async () => {
    const answer = await ask(cluster, '/api/chat', { model, messages: [{ role: 'user', content: 'hi' }] });
    return answer.headers['x-ollana-server'];
  };
  const hosts = await Promise.all(Array.from({ length: 6 }, servedBy));
  expect(new Set(hosts)).toEqual(new Set([new URL(first.url).host]));
  await first[Symbol.asyncDispose]();
  expect(await servedBy()).toBe(new URL(backup.url).host);
});

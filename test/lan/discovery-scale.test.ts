import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import { skipBecause } from '../_skip.ts';
import { captureUnavailable, type Packet } from './_capture.ts';
import { createLab, type Lab, labAvailable } from './_lab.ts';

const NODE = fileURLToPath(new URL('_discovery-node.mjs', import.meta.url));
/** Each start takes a third of a second of a core, and is to be as quick as on a machine of its own. */
const AT_ONCE = 6;

const idOf = (i: number) => createHash('sha256').update(String(i)).digest('hex');

interface Node {
  readonly role: 'client' | 'server';
  readonly ip: string;
  readonly process: TestProcess;
}

const macOf = (i: number) => `02:00:00:00:00:${(i + 1).toString(16).padStart(2, '0')}`;

/**
 * Tells each host where all others are. The hosts of the lab share one kernel, whose table of neighbours has 1024
 * places for all of them, but for those that were written by hand; machines of their own have a table each.
 */
async function introduce(lab: Lab, names: readonly string[]): Promise<void> {
  const hosts = names.map((name) => lab.host(name));
  const neighbours = hosts.map(
    ({ ip }, i) => `neigh replace ${ip} lladdr ${macOf(i)} nud permanent dev eth0`,
  );
  for (const [i, host] of hosts.entries()) {
    const lines = [`link set eth0 address ${macOf(i)}`, ...neighbours.filter((_, j) => j !== i)];
    const { code, stderr } = await host.exec('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` });
    if (code !== 0) throw new Error(`ip: ${stderr}`);
  }
}

/** Starts all machines, servers and clients by turns, as fast as this one can. Resolves when all have started. */
async function startAll(lab: Lab, names: readonly string[], by: 'udp' | 'both'): Promise<readonly Node[]> {
  const nodes: Node[] = [];
  const queue = names.entries();
  const work = async () => {
    for (const [i, name] of queue) {
      const role = i % 2 === 0 ? 'server' : 'client';
      const host = lab.host(name);
      const node: Node = { role, ip: host.ip, process: host.node([NODE, role, idOf(i), name, by]) };
      nodes.push(node);
      await node.process.waitFor(/ready/, 60_000);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return nodes;
}

const readyAt = ({ process }: Node) => Number(/^ready (\S+)/m.exec(process.stdout)?.[1]);

/** When each server was found. */
const foundAt = ({ process }: Node) =>
  [...process.stdout.matchAll(/^found \S+ (\S+)$/gm)].map(([, at]) => Number(at));

const isForAll = ({ dst }: Packet) => dst.endsWith('.255') || /^(224\.|ff02:)/.test(dst);
/** As tcpdump counts: the headers of Ethernet (14), IPv4 (20) or IPv6 (40), and UDP (8) with it. */
const bytesOf = ({ payload, src }: Packet) => payload.length + (src.includes(':') ? 62 : 42);

/** Looks at the wire for so long; what each node of a role sends to all in a minute, and says it. */
async function speech(lab: Lab, nodes: readonly Node[], seconds: number): Promise<readonly number[]> {
  await using wire = await lab.capture({ filter: 'udp' });
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await wire.stop();
  return (['server', 'client'] as const).map((role) => {
    const ips = new Set(nodes.filter((node) => node.role === role).map(({ ip }) => ip));
    const perMinute = (which: (packet: Packet) => boolean) => {
      const sent = wire.packets.filter((packet) => ips.has(packet.src) && which(packet));
      return (sent.reduce((sum, packet) => sum + bytesOf(packet), 0) * 60) / seconds / ips.size;
    };
    const [beacon = 0, mdns = 0] = [11436, 5353].map((port) =>
      perMinute((packet) => isForAll(packet) && packet.dport === port),
    );
    const one = perMinute((packet) => !isForAll(packet));
    const figures = [beacon, mdns, one].map((bytes) => bytes.toFixed(0));
    console.log(
      `a ${role} of ${nodes.length} nodes: ${figures[0]} bytes a minute broadcast, ${figures[1]} multicast, ${figures[2]} to single hosts (${seconds} s)`,
    );
    return beacon + mdns;
  });
}

/** Starts that many servers and clients; resolves with how long after the last start all had found all, ms. */
async function meet(lab: Lab, names: readonly string[], by: 'udp' | 'both') {
  await introduce(lab, names);
  const nodes = await startAll(lab, names, by);
  const last = Math.max(...nodes.map(readyAt));
  const servers = names.length / 2;
  const complete = (node: Node) => foundAt(node).length >= (node.role === 'server' ? servers - 1 : servers);
  await until(20_000, 'all servers found by all', () => nodes.every(complete));
  const latest = Math.max(...nodes.flatMap(foundAt)) - last;
  const took = last - Math.min(...nodes.map(readyAt));
  console.log(
    `${servers} servers and ${servers} clients by ${by}: all found ${latest.toFixed(0)} ms after the last of ${took.toFixed(0)} ms of starts`,
  );
  return { nodes, latest };
}

describe('many machines on one network', { timeout: 400_000 }, () => {
  skipBecause(labAvailable() ?? captureUnavailable());

  // By broadcast alone: each word of mDNS is heard by four sockets of each of sixty nodes, which here share two cores.
  test('thirty servers and thirty clients: all find all within 2 s of the last start, and speak little', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `host${i}`);
    await using lab = await createLab({ hosts: names });
    const { nodes, latest } = await meet(lab, names, 'udp');
    expect(latest).toBeLessThan(2000);
    for (const bytes of await speech(lab, nodes, 5)) expect(bytes).toBeLessThan(2048);
  });

  // Minutes, because what is known by mDNS is renewed every one and a half.
  if (process.env.OLLANA_LAB_LONG === '1')
    test('ten servers and ten clients say to all less than 2 KB a minute each, mDNS included', async () => {
      const names = Array.from({ length: 20 }, (_, i) => `host${i}`);
      await using lab = await createLab({ hosts: names });
      const { nodes } = await meet(lab, names, 'both');
      await new Promise((resolve) => setTimeout(resolve, 60_000));
      for (const bytes of await speech(lab, nodes, 180)) expect(bytes).toBeLessThan(2048);
    });
});

import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import { skipBecause } from '../_skip.ts';
import { type Capture, captureUnavailable, type Packet } from './_capture.ts';
import { createLab, type Lab, labAvailable } from './_lab.ts';

const NODE = fileURLToPath(new URL('_discovery-node.mjs', import.meta.url));
const COUNT = 30;
/** Each start takes a third of a second of a core, and is to be as quick as on a machine of its own. */
const AT_ONCE = 6;

/** Seconds of the steady state that are looked at; `OLLANA_LAB_LONG=1` looks at four minutes, in which mDNS renews all. */
const WATCH_S = process.env.OLLANA_LAB_LONG === '1' ? 240 : 12;

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
async function startAll(lab: Lab, names: readonly string[]): Promise<readonly Node[]> {
  const nodes: Node[] = [];
  const queue = names.entries();
  const work = async () => {
    for (const [i, name] of queue) {
      const role = i % 2 === 0 ? 'server' : 'client';
      const host = lab.host(name);
      const node: Node = { role, ip: host.ip, process: host.node([NODE, role, idOf(i), name]) };
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
/** As on an Ethernet, which pads: header 14, IPv4 20 or IPv6 40, UDP 8. */
const bytesOf = ({ payload, src }: Packet) => Math.max(60, payload.length + (src.includes(':') ? 62 : 42));

/** Bytes a minute that each node of a role sends, by what they are. */
function perMinute(capture: Capture, nodes: readonly Node[], which: (packet: Packet) => boolean): number {
  const ips = new Set(nodes.map(({ ip }) => ip));
  const sent = capture.packets.filter((packet) => ips.has(packet.src) && which(packet));
  return (sent.reduce((sum, packet) => sum + bytesOf(packet), 0) * 60) / WATCH_S / nodes.length;
}

describe('thirty servers and thirty clients on one network', { timeout: 400_000 }, () => {
  skipBecause(labAvailable() ?? captureUnavailable());

  test('all find all within 2 s of the last start, and then speak little', async () => {
    const names = Array.from({ length: 2 * COUNT }, (_, i) => `host${i}`);
    await using lab = await createLab({ hosts: names });
    await introduce(lab, names);
    const nodes = await startAll(lab, names);
    const last = Math.max(...nodes.map(readyAt));
    const complete = (node: Node) => foundAt(node).length >= (node.role === 'server' ? COUNT - 1 : COUNT);
    await until(20_000, 'all servers found by all', () => nodes.every(complete)).catch((error) => {
      console.log(nodes.map((node) => foundAt(node).length).join(' '));
      throw error;
    });
    const latest = nodes.map((node) => Math.max(...foundAt(node)) - last);
    console.log(
      `30 servers and 30 clients: all found ${Math.max(...latest).toFixed(0)} ms after the last start; the starts took ${(last - Math.min(...nodes.map(readyAt))).toFixed(0)} ms`,
    );
    expect(Math.max(...latest)).toBeLessThan(2000);

    // The questions of mDNS get rarer for a minute.
    await new Promise((resolve) => setTimeout(resolve, process.env.OLLANA_LAB_LONG === '1' ? 70_000 : 5000));
    await using wire = await lab.capture({ filter: 'udp' });
    await new Promise((resolve) => setTimeout(resolve, WATCH_S * 1000));
    await wire.stop();
    for (const role of ['server', 'client'] as const) {
      const some = nodes.filter((node) => node.role === role);
      const [beacon, mdns] = [11436, 5353].map((port) =>
        perMinute(wire, some, (packet) => isForAll(packet) && packet.dport === port),
      );
      const one = perMinute(wire, some, (packet) => !isForAll(packet));
      console.log(
        `${role}: ${beacon!.toFixed(0)} bytes a minute broadcast, ${mdns!.toFixed(0)} multicast, ${one.toFixed(0)} to single hosts (${WATCH_S} s)`,
      );
      expect(beacon! + mdns!).toBeLessThan(2048);
    }
  });
});

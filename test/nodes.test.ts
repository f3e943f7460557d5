import { describe, expect, it } from 'vitest';
import { findNode, nodesOf } from '../src/daemon/nodes-view.ts';
import { call } from './_api.ts';
import { startCluster } from './_cluster.ts';
import { fasterClock } from './_cluster-config.ts';
import { startUpstream } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';

const MEMBERS = [
  ...['node_id', 'ipv4', 'ipv6', 'port', 'models', 'metadata', 'load', 'last_seen', 'status'],
  ...['active_jobs', 'failure_count'],
];

describe('GET /nodes', () => {
  it('has every server in the shape of the seed system, and GET /nodes/ID one of them', async () => {
    await using cluster = await startCluster({ ollamas: [{ models: [{ name: 'llama3' }] }, {}] });
    const { status, json } = await call(cluster.url, '/nodes');
    expect(status).toBe(200);
    expect(json).toHaveLength(2);
    const [a] = json;
    expect(Object.keys(a).slice(0, MEMBERS.length)).toEqual(MEMBERS);
    expect(a).toMatchObject({
      ipv4: '127.0.0.1',
      ipv6: null,
      port: Number(new URL(cluster.ollamas[0]!.url).port),
      models: ['llama3:latest'],
      metadata: { hostname: 'a' },
      load: { cpu: null, memory: null },
      last_seen: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      status: 'online',
      active_jobs: 0,
      failure_count: 0,
    });
    for (const id of [a.node_id, 'A']) expect((await call(cluster.url, `/nodes/${id}`)).json.name).toBe('a');
    expect(await call(cluster.url, '/nodes/nobody%2e')).toMatchObject({
      status: 404,
      json: { detail: 'Node not found' },
    });
    expect((await call(cluster.url, '/nodes', { method: 'DELETE' })).status).toBe(405);
  });

  it('tells what is known of a load, whoever knows it: of the stream what it has, the rest of the last beat', () => {
    const server = {
      ...{ deviceId: 'd', name: 'a', url: 'http://10.0.0.7:11435', kind: 'ollana', sources: [], since: '' },
      ...{ verdict: 'reliable', models: [], loaded: [], inFlight: 0, latencyMs: 1 },
    } as const;
    const cpu = { name: null, cores: 8, load: 0.5 };
    const memory = { totalBytes: 1000, freeBytes: 300 };
    const beat = { ipv4: undefined, ipv6: undefined, nodeId: 'n', port: 1, models: [], metadata: {} };
    const beaten = {
      url: server.url,
      seenAt: 1,
      isStale: false,
      beat: { ...beat, load: { cpu: 0.1, memory: 0.2 } },
    };
    const loadOf = (machine: object | undefined, beats: readonly object[] = []) =>
      nodesOf([{ ...server, machine } as never], [], beats as never, 0)[0]?.load;
    expect(loadOf({ cpu, memory })).toEqual({ cpu: 0.5, memory: 0.7 });
    expect(loadOf({ cpu, memory: null })).toEqual({ cpu: 0.5, memory: null });
    expect(loadOf({ cpu: { ...cpu, load: null }, memory })).toEqual({ cpu: null, memory: 0.7 });
    expect(loadOf({ cpu, memory: null }, [beaten])).toEqual({ cpu: 0.5, memory: 0.2 });
    expect(loadOf(undefined, [beaten])).toEqual({ cpu: 0.1, memory: 0.2 });
    expect(loadOf(undefined)).toEqual({ cpu: null, memory: null });
  });

  it('keeps a server that stops beating as offline, does not use it, and forgets it', async () => {
    await using upstream = await startUpstream((_, response) => response.writeHead(500).end());
    await using cluster = await startCluster({
      ollamas: [],
      client: { acceptRegistrations: true },
      clock: fasterClock(40),
    });
    const beaten = await call(cluster.url, '/nodes/heartbeat', {
      method: 'POST',
      body: {
        node_id: 'gpu-7',
        port: upstream.port,
        models: ['m:latest'],
        metadata: { hostname: 'attic' },
        load: { cpu: 0.25, memory: 0.45 },
      },
    });
    expect(beaten.json).toMatchObject({ node_id: 'gpu-7', status: 'ok' });
    const node = async () => (await call(cluster.url, '/nodes/gpu-7')).json;
    await until(2000, 'it to be online', async () => (await node()).status === 'online');
    expect(await node()).toMatchObject({ models: ['m:latest'], load: { cpu: 0.25, memory: 0.45 } });
    await until(5000, 'it to be offline', async () => (await node()).status === 'offline');
    expect(await node()).toMatchObject({ name: 'attic', failure_count: 1, device_id: null });
    // It would still answer; but nobody says any more that it wants to.
    expect(cluster.client.status().servers).toEqual([]);
    await until(6000, 'it to be forgotten', async () => (await node()).detail === 'Node not found');
  });

  it('one that beats and does not answer is degraded, and one device with two addresses is one node', () => {
    const beat = (url: string, otherUrl?: string) => ({
      beat: {
        nodeId: 'gpu-7',
        ipv4: undefined,
        ipv6: undefined,
        port: 11435,
        models: ['m'],
        metadata: {},
        load: { cpu: null, memory: null },
      },
      url,
      otherUrl,
      seenAt: 1000,
      isStale: false,
    });
    const [lost] = nodesOf([], [], [beat('http://10.0.0.7:11435')], 5000);
    expect(lost).toMatchObject({ status: 'degraded', models: ['m'], last_seen: '1970-01-01T00:00:01.000Z' });
    const server = {
      deviceId: 'd'.repeat(64),
      name: 'attic',
      url: 'http://10.0.0.7:11435',
      kind: 'ollana',
      sources: ['heartbeat'],
      verdict: 'reliable',
      since: '2026-01-01T00:00:00.000Z',
      models: ['n'],
      loaded: [],
      inFlight: 2,
      latencyMs: 1,
    } as const;
    const both = ['http://10.0.0.7:11435', 'http://[fd00::7]:11435'];
    const addresses = both.map((url) => ({ url, deviceId: server.deviceId }));
    const nodes = nodesOf(
      [server],
      addresses,
      both.map((url) => beat(url)),
      5000,
    );
    expect(nodes).toMatchObject([
      { node_id: 'gpu-7', ipv4: '10.0.0.7', ipv6: 'fd00::7', models: ['n'], active_jobs: 2 },
    ]);
    expect(findNode(nodes, 'ATTIC')).toBe(nodes[0]);
    expect(findNode(nodes, 'd'.repeat(64))).toBe(nodes[0]);
    expect(findNode(nodes, 'constructor')).toBeUndefined();
  });
});

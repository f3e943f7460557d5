import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Verdict } from '../../src/cli/doctor/verdict.ts';
import { CLI } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, serveOn, serversSeenBy, simulatedOn, untilListed } from './_fleet.ts';
import { createLab, type LabHost, labAvailable } from './_lab.ts';
import { filterUnavailable } from './_weather.ts';

const SIMULATED = fileURLToPath(new URL('_sim-main.mjs', import.meta.url));
const NO_PROXIES = { HTTP_PROXY: '', http_proxy: '', ALL_PROXY: '', all_proxy: '' };

interface Said {
  readonly code: number | null;
  readonly tookMs: number;
  readonly checks: readonly Verdict[];
  /** Ids of what is wrong. */
  readonly problems: readonly string[];
  of(id: string): Verdict;
}

async function doctorOn(
  host: LabHost,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Said> {
  const since = performance.now();
  const own = args.includes('--data-dir') ? [] : ['--data-dir', scratch()];
  const { stdout, stderr, code } = await host.exec(
    process.execPath,
    [CLI, 'doctor', '--json', ...args, ...own],
    { env: { ...NO_PROXIES, ...env } },
  );
  expect(stderr).toBe('');
  const checks = (JSON.parse(stdout) as { checks: readonly Verdict[] }).checks;
  return {
    code,
    tookMs: performance.now() - since,
    checks,
    problems: checks.filter(({ status }) => status === 'problem').map(({ id }) => id),
    of: (id) => checks.find((one) => one.id === id) as Verdict,
  };
}

function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'ollana-doctor-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function nft(host: LabHost, rules: string): Promise<void> {
  const { code, stderr } = await host.exec('nft', ['-f', '-'], { input: rules });
  expect([code, stderr]).toEqual([0, '']);
}

describe('ollana doctor', { timeout: 60_000 }, () => {
  skipBecause(labAvailable() ?? filterUnavailable());

  test('finds nothing wrong on a clean LAN, on either side, within 5 s', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const [gpu1, laptop] = [lab.host('gpu1'), lab.host('laptop')];
    await simulatedOn(gpu1, { models: [{ name: 'tiny' }] });
    await using server = await serveOn(gpu1);
    await using client = await clientOn(laptop);
    await untilListed(laptop, ['tiny']);
    for (const [host, daemon] of [
      [gpu1, server],
      [laptop, client],
    ] as const) {
      const said = await doctorOn(host, ['--data-dir', daemon.dataDir]);
      expect(said.problems, JSON.stringify(said.checks)).toEqual([]);
      expect(said.code).toBe(0);
      expect(said.of('firewall').status).toBe('ok');
      expect(said.of('broadcast').seen).toContain(`eth0 ${host.ip}`);
      expect(said.of('multicast').seen).toContain(`eth0 ${host.ip}`);
      expect(said.of('port-http').seen).toContain(host === gpu1 ? 'server mode' : 'client mode');
      expect(said.tookMs).toBeLessThan(5000);
    }
    const heard = await doctorOn(laptop, ['--data-dir', client.dataDir]);
    expect(heard.of('clock').status).toBe('ok');
    expect(heard.of('versions').seen).toContain('alike on 1 more');
  });

  test('disturbs no discovery, and says nothing that others answer', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    await simulatedOn(lab.host('gpu1'), { models: [{ name: 'tiny' }] });
    await using _server = await serveOn(lab.host('gpu1'));
    await using _client = await clientOn(lab.host('laptop'));
    await untilListed(lab.host('laptop'), ['tiny']);
    await doctorOn(lab.host('gpu1'));
    await doctorOn(lab.host('laptop'));
    await until(5000, 'the server to be used still', async () =>
      (await serversSeenBy(lab.host('laptop'))).some(({ verdict }) => verdict === 'reliable'),
    );
  });

  test('names the rule that a firewall of nftables lacks, which then mends it', async () => {
    await using lab = await createLab({ hosts: ['laptop', 'other'] });
    const laptop = lab.host('laptop');
    await nft(
      laptop,
      `table inet filter { chain input { type filter hook input priority 0; policy drop;
        iifname "lo" accept; ct state established,related accept; tcp dport 22 accept;
      }
      }`,
    );
    const said = await doctorOn(laptop);
    expect(said.code).toBe(1);
    expect(said.problems).toEqual(['firewall', 'broadcast', 'multicast']);
    const { remedy } = said.of('firewall');
    expect(remedy).toContain('sudo nft insert rule inet filter input udp dport 11436 accept');
    // To the letter, but for sudo: whoever is in the lab is root there.
    for (const line of remedy.filter((one) => one.startsWith('sudo nft'))) {
      const [, ...words] = line.split(' ');
      const { code, stderr } = await laptop.exec(words[0] ?? '', words.slice(1));
      expect([code, stderr], line).toEqual([0, '']);
    }
    expect((await doctorOn(laptop)).problems).toEqual([]);
  });

  test('says that broadcast is not heard, though no rule keeps it out', async () => {
    await using lab = await createLab({ hosts: ['laptop', 'other'] });
    const laptop = lab.host('laptop');
    await nft(
      laptop,
      `table inet out { chain o { type filter hook output priority 0; udp dport 11436 drop;
      }
      }`,
    );
    const said = await doctorOn(laptop);
    expect(said.problems).toEqual(['broadcast']);
    expect(said.of('broadcast').seen).toContain(`eth0 ${laptop.ip}`);
    expect(said.of('broadcast').remedy.join('\n')).toContain('nft list ruleset');
    expect((await doctorOn(laptop, ['--no-udp'])).problems).toEqual([]);
  });

  test('says who holds a port', async () => {
    await using lab = await createLab({ hosts: ['laptop', 'other'] });
    const laptop = lab.host('laptop');
    const holder = laptop.node([
      '-e',
      `require('net').createServer().listen(11435, '127.0.0.1', () => console.log('tcp ' + process.pid));
       require('dgram').createSocket('udp4').bind({ port: 11436, exclusive: true }, () => console.log('udp'))`,
    ]);
    await holder.waitFor(/tcp/);
    await holder.waitFor(/udp/);
    const said = await doctorOn(laptop);
    expect(said.code).toBe(1);
    expect(said.problems).toEqual(expect.arrayContaining(['port-http', 'port-discovery', 'broadcast']));
    const [, pid] = /tcp (\d+)/.exec(holder.stdout) ?? [];
    expect(said.of('port-http').seen).toBe(`in use by node (pid ${pid})`);
    expect(said.of('port-http').remedy.join()).toContain('--port N');
    expect(said.of('port-discovery').seen).toContain('node (pid');
  });

  test('says which settings of Ollama hurt, and that others reach it', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const gpu1 = lab.host('gpu1');
    const line = JSON.stringify({ port: 11434, host: '0.0.0.0', models: [{ name: 'tiny' }] });
    const env = { OLLAMA_NUM_PARALLEL: '64', OLLAMA_KEEP_ALIVE: '5' };
    await gpu1.node([SIMULATED, line], { env }).waitFor(/listening/);
    await using server = await serveOn(gpu1);
    const said = await doctorOn(gpu1, ['--data-dir', server.dataDir]);
    expect(said.code).toBe(1);
    expect(said.of('ollama-address')).toMatchObject({ status: 'problem' });
    const remedies = said.checks.flatMap(({ remedy }) => remedy).join('\n');
    expect(remedies).toContain('OLLAMA_NUM_PARALLEL=4');
    expect(remedies).toContain('OLLAMA_KEEP_ALIVE=5m');
  });

  test('says that an interface is not there, and that a data directory is open to others', async () => {
    await using lab = await createLab({ hosts: ['laptop', 'other'] });
    const dir = scratch();
    chmodSync(dir, 0o777);
    const said = await doctorOn(lab.host('laptop'), ['--interface', 'eth7', '--data-dir', dir]);
    expect(said.problems).toEqual(['data-dir', 'interfaces']);
    expect(said.of('data-dir').remedy).toEqual([`chmod 700 ${dir}`]);
    expect(said.of('interfaces').seen).toContain('eth7 is not there');
  });

  test('says that no network is there when the cable is out', async () => {
    await using lab = await createLab({ hosts: ['laptop', 'other'] });
    await lab.host('laptop').configure(['addr flush dev eth0']);
    const said = await doctorOn(lab.host('laptop'));
    expect(said.problems).toContain('interfaces');
    expect(said.of('interfaces').remedy.join()).toContain('ollana --server');
  });
});

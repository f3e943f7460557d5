import { spawnSync } from 'node:child_process';
import type { LabHost } from './_lab.ts';

/** Why packets cannot be dropped here, or `undefined` when they can. */
export function filterUnavailable(): string | undefined {
  const { status } = spawnSync('nft', ['--version'], { stdio: 'ignore' });
  return status === 0 ? undefined : 'needs `nft` (Debian: apt-get install nftables)';
}

async function filter(host: LabHost, rules: string): Promise<void> {
  const { code, stderr } = await host.exec('nft', ['-f', '-'], { input: rules });
  if (code !== 0) throw new Error(`nft: ${stderr}`);
}

/** Drops what a host says and hears on UDP ports, as access points do with what is for all. */
export function dropUdp(host: LabHost, ports: readonly number[]): Promise<void> {
  const drop = `meta l4proto udp th dport { ${ports.join(', ')} } drop; meta l4proto udp th sport { ${ports.join(', ')} } drop;`;
  return filter(
    host,
    `table inet dropped {
      chain in { type filter hook input priority 0; iifname "eth*" ${drop.replace('; meta', '; iifname "eth*" meta')} }
      chain out { type filter hook output priority 0; oifname "eth*" ${drop.replace('; meta', '; oifname "eth*" meta')} }
    }`,
  );
}

/**
 * Loses a part of what a host sends, in percent, at random: by netem, which is outside of the host's own view, else,
 * where the kernel has no `sch_netem`, of what it receives by a filter: what is lost on the way out is told to TCP.
 * Returns which.
 */
export async function loseSome(host: LabHost, percent: number): Promise<'netem' | 'nft'> {
  const args = ['qdisc', 'add', 'dev', 'eth0', 'root', 'netem', 'loss', `${percent}%`];
  const { code } = await host.exec('tc', args);
  if (code === 0) return 'netem';
  const rule = `iifname "eth0" numgen random mod 100 < ${percent} drop;`;
  await filter(host, `table inet lost { chain in { type filter hook input priority -300; ${rule} }; }`);
  return 'nft';
}

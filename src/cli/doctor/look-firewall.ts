import { execFile } from 'node:child_process';
import type { FirewallFacts } from './firewall.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Tools that ask a service of their own (firewalld, ufw) take a while; the user waits. */
const LIMIT_MS = 2_000;
/** A host of many containers has some thousand rules. */
const MOST_BYTES = 16 * 1024 * 1024;

/** Asks the firewalls of this machine; what is not there or not for this user is left out. Never rejects. */
export async function lookAtFirewall(
  platform: string,
  env: Env,
  interfaces: readonly string[],
): Promise<FirewallFacts> {
  if (platform !== 'linux') return { platform, interfaces };
  // Only root's PATH has them everywhere.
  const path = `${env.PATH ?? ''}:/usr/sbin:/sbin:/usr/bin`;
  const ask = (tool: string, ...args: readonly string[]) => output(tool, args, { ...env, PATH: path });
  const [ufw, state, nft, iptables] = await Promise.all([
    ask('ufw', 'status', 'verbose'),
    ask('firewall-cmd', '--state'),
    ask('nft', '-j', 'list', 'ruleset'),
    ask('iptables', '-S'),
  ]);
  const firewalld = /^running/.test(state ?? '') ? await ask('firewall-cmd', '--list-all') : undefined;
  return { platform, interfaces, ufw, firewalld, nft: parsed(nft), iptables };
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    // Of a version that writes no JSON.
    return undefined;
  }
}

function output(tool: string, args: readonly string[], env: Env): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { env, timeout: LIMIT_MS, windowsHide: true, maxBuffer: MOST_BYTES };
    execFile(tool, args, options, (error, stdout) => resolve(error ? undefined : stdout));
  });
}

import { judging, type Verdict } from './verdict.ts';

/** One network of this machine. */
export interface NetworkFacts {
  readonly interface: string;
  /** With its bits: `192.168.1.5/24`. */
  readonly cidr: string;
  readonly isLoopback: boolean;
}

/** Names that systems give to what is no network of machines; each a kind in words. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^(docker|br-[0-9a-f]{12}|podman|cni|flannel|cali|lxc|lxdbr|veth)/, 'containers'],
  [/^(virbr|vmnet|vboxnet|vEthernet)/i, 'virtual machines'],
  [/^(tun|tap|wg|tailscale|zt|ppp|utun|ipsec|nordlynx|proton)/i, 'VPN'],
];

/** What kind of network an interface has by its name; undefined: a plain one. Pure. */
export function kindOf(name: string): string | undefined {
  return KINDS.find(([pattern]) => pattern.test(name))?.[1];
}

/** Which interfaces discovery speaks on, and why. `all` are those of the machine, `used` those that are allowed. Pure. */
export function judgeInterfaces(
  used: readonly NetworkFacts[],
  all: readonly NetworkFacts[],
  only: readonly string[],
): Verdict {
  const { ok, problem } = judging('interfaces', 'Interfaces');
  const missing = only.filter((name) => !all.some((one) => one.interface.replace(/:.*$/, '') === name));
  const names = [...new Set(all.map((one) => one.interface))].join(', ') || 'none';
  if (missing.length > 0)
    return problem(`${missing.join(', ')} is not there or has no IPv4 address; there are ${names}`, [
      '# give --interface NAME of one that is there, or leave it out',
    ]);
  const lan = used.filter(({ isLoopback }) => !isLoopback);
  if (lan.length === 0 && only.length === 0)
    return problem('this machine is on no network but loopback', [
      '# connect it, or name servers: ollana --server http://ADDRESS:11435',
    ]);
  const told = used
    .filter(({ isLoopback }) => !isLoopback || only.length > 0)
    .map((one) => {
      const kind = kindOf(one.interface);
      return `${one.interface} ${one.cidr}${kind ? ` (${kind})` : ''}`;
    });
  const isOdd = lan.some((one) => kindOf(one.interface) !== undefined);
  const why =
    only.length > 0 ? ', as --interface says' : isOdd ? '; `--interface NAME` leaves the others out' : '';
  return ok(`discovery speaks on ${told.join(', ')}${why}`);
}

/** Variables of proxies, as most programs read them: in both cases. */
const PROXIES = ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'] as const;

/** Whether apps of this terminal would send what is for ollana to a proxy. Pure. */
export function judgeProxy(
  env: Readonly<Record<string, string | undefined>>,
  networks: readonly NetworkFacts[],
  platform: string,
): Verdict {
  const { ok, problem } = judging('proxy', 'Proxy variables');
  const set = PROXIES.filter((name) => (env[name] ?? '').trim() !== '');
  if (set.length === 0) return ok('none is set');
  const listed = (env.NO_PROXY ?? env.no_proxy ?? '').split(',').map((one) => one.trim());
  if (listed.includes('*')) return ok(`${set.join(', ')} is set, and NO_PROXY excepts everything`);
  const here = ['localhost', '127.0.0.1'].filter((host) => !listed.includes(host));
  const lan = networks.filter(({ isLoopback }) => !isLoopback).map(({ cidr }) => networkOf(cidr));
  const away = lan.filter((network) => !covers(listed, network));
  if (here.length === 0 && away.length === 0)
    return ok(`${set.join(', ')} is set, and NO_PROXY excepts this machine and its networks`);
  const value = [...listed.filter((one) => one !== ''), ...here, ...away].join(',');
  return problem(
    `${set.join(', ')} is set, and NO_PROXY lacks ${[...here, ...away].join(', ')}: apps ask the proxy for what is here`,
    [platform === 'win32' ? `setx NO_PROXY "${value}"` : `export NO_PROXY='${value.replaceAll("'", '')}'`],
  );
}

/** `192.168.1.0/24` of `192.168.1.5/24`. */
function networkOf(cidr: string): string {
  const [address = '', bits = '32'] = cidr.split('/');
  const hosts = 2 ** (32 - Number(bits));
  const number = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const first = Math.floor(number / hosts) * hosts;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.')}/${bits}`;
}

/** Whether a list excepts a whole network: by itself, by a larger one, or by the beginning of its addresses (curl, Python). */
function covers(listed: readonly string[], network: string): boolean {
  const [base = '', bits = '32'] = network.split('/');
  return listed.some((entry) => {
    const [, range, wide] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(entry) ?? [];
    if (range !== undefined && wide !== undefined)
      return Number(wide) <= Number(bits) && networkOf(`${base}/${wide}`) === networkOf(`${range}/${wide}`);
    return /^(\d+\.){1,3}\*?$/.test(entry) && base.startsWith(entry.replace('*', ''));
  });
}

/** What the file of settings is like: see `ollana config check`. Pure. */
export function judgeConfig(path: string, exists: boolean, mistakes: readonly string[]): Verdict {
  const { ok, problem } = judging('config', 'Settings');
  if (mistakes.length > 0)
    return problem(`${mistakes.length === 1 ? '' : `${mistakes.length} mistakes, first: `}${mistakes[0]}`, [
      'ollana config check',
    ]);
  return ok(exists ? `${path} has no mistake` : `no file; all is by default (${path})`);
}

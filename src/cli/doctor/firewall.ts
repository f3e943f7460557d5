import { type NftVerdict, passesNft, type Wanted } from './nft.ts';
import { judging, type Verdict } from './verdict.ts';

/** What the firewalls of this machine say; each absent where it is not there or this user may not ask. */
export interface FirewallFacts {
  readonly platform: string;
  /** `ufw status`. */
  readonly ufw?: string | undefined;
  /** Of `firewall-cmd`: whether it runs, and what the default zone lets in. */
  readonly firewalld?: string | undefined;
  /** `nft -j list ruleset`, parsed. */
  readonly nft?: unknown;
  /** `iptables -S`. */
  readonly iptables?: string | undefined;
  readonly interfaces: readonly string[];
}

/** Ports that have to be open here. */
export interface FirewallNeeds {
  readonly discovery: number;
  /** Of a server; undefined: this machine only uses others. */
  readonly http: number | undefined;
}

/** What must be let in, with why. Pure. */
function wantedOf({ discovery, http }: FirewallNeeds): readonly Wanted[] {
  return [
    { protocol: 'udp', side: 'dport', port: discovery },
    // Answers: a firewall does not know them for answers, as the question went to everyone.
    { protocol: 'udp', side: 'sport', port: discovery },
    { protocol: 'udp', side: 'dport', port: 5353 },
    ...(http === undefined ? [] : [{ protocol: 'tcp', side: 'dport', port: http } as const]),
  ];
}

/** Whether the firewall lets in what ollana needs, with the rule to add. Pure. */
export function judgeFirewall(facts: FirewallFacts, needs: FirewallNeeds): Verdict {
  const { ok, problem, unknown } = judging('firewall', 'Firewall');
  const { platform, ufw, firewalld, nft, iptables, interfaces } = facts;
  const wanted = wantedOf(needs);
  if (platform === 'win32') return unknown('look and add by hand, as administrator', windows(needs));
  if (platform === 'darwin') return unknown('look and add by hand', MACOS);
  const lacking = (isOpen: (one: Wanted) => boolean) => wanted.filter((one) => !isOpen(one));
  if (ufw !== undefined && /^Status: active/m.test(ufw)) {
    const closed = lacking((one) => opensUfw(ufw, one));
    return closed.length === 0
      ? ok(`ufw lets in ${listed(wanted)}`)
      : problem(`ufw does not let in ${listed(closed)}`, closed.map(ufwRule));
  }
  if (firewalld !== undefined) {
    const closed = lacking((one) => opensFirewalld(firewalld, one));
    return closed.length === 0
      ? ok(`firewalld lets in ${listed(wanted)}`)
      : problem(`firewalld does not let in ${listed(closed)}`, [
          ...closed.map(firewalldRule),
          'sudo firewall-cmd --reload',
        ]);
  }
  if (nft !== undefined) {
    const ends = wanted.map((one) => ({ one, ...passesNft(nft, one, interfaces) }));
    const closed = ends.filter(({ passing }) => passing === 'closed');
    if (closed.length > 0)
      return problem(`nftables does not let in ${listed(closed.map(({ one }) => one))}`, [
        ...closed.map(({ one, chain }) => nftRule(one, chain)),
        '# and into /etc/nftables.conf, or a restart forgets it',
      ]);
    const unsure = ends.filter(({ passing }) => passing === 'unknown').map(({ one }) => one);
    if (unsure.length > 0)
      return unknown(`nftables has rules on ${listed(unsure)} that are not understood here`, [
        'sudo nft list ruleset',
      ]);
    return ok(`nftables lets in ${listed(wanted)}`);
  }
  if (iptables !== undefined) {
    const closed = /^-P INPUT (DROP|REJECT)/m.test(iptables)
      ? lacking((one) => opensIptables(iptables, one))
      : [];
    return closed.length === 0
      ? ok(`iptables lets in ${listed(wanted)}`)
      : problem(`iptables does not let in ${listed(closed)}`, closed.map(iptablesRule));
  }
  return unknown('none is installed, or its rules are for root only to read', [
    'sudo ollana doctor',
    'ollana discover --explain',
  ]);
}

function listed(all: readonly Wanted[]): string {
  return all
    .map(({ protocol, side, port }) => `${protocol.toUpperCase()} ${side === 'sport' ? 'from ' : ''}${port}`)
    .join(', ');
}

const ufwRule = ({ protocol, side, port }: Wanted): string =>
  side === 'sport'
    ? `sudo ufw allow proto ${protocol} from any port ${port} to any`
    : `sudo ufw allow ${port}/${protocol}`;

const firewalldRule = ({ protocol, side, port }: Wanted): string =>
  `sudo firewall-cmd --permanent --add-${side === 'sport' ? 'source-' : ''}port=${port}/${protocol}`;

const iptablesRule = ({ protocol, side, port }: Wanted): string =>
  `sudo iptables -I INPUT -p ${protocol} --${side} ${port} -j ACCEPT`;

function nftRule({ protocol, side, port }: Wanted, chain: NftVerdict['chain']): string {
  const { family = 'inet', table = 'filter', name = 'input' } = chain ?? {};
  return `sudo nft insert rule ${family} ${table} ${name} ${protocol} ${side} ${port} accept`;
}

/** Lines such as `11436/udp ALLOW Anywhere` and `Anywhere ALLOW 11436/udp`. */
function opensUfw(status: string, { protocol, side, port }: Wanted): boolean {
  const what = `${port}(/${protocol})?`;
  const line = side === 'dport' ? `^${what}\\s+ALLOW` : `ALLOW( IN)?\\s+(Anywhere )?${what}\\s*$`;
  return new RegExp(line, 'm').test(status) || /^Default: allow \(incoming\)/m.test(status);
}

/** The text of `firewall-cmd --list-all`. */
function opensFirewalld(zone: string, { protocol, side, port }: Wanted): boolean {
  if (/^\s*target: ACCEPT/m.test(zone) || /^trusted/m.test(zone)) return true;
  const key = side === 'sport' ? 'source-ports' : 'ports';
  const [, ports = ''] = new RegExp(`^\\s*${key}: (.*)$`, 'm').exec(zone) ?? [];
  if (ports.split(/\s+/).some((one) => one === `${port}/${protocol}`)) return true;
  return port === 5353 && /^\s*services:.*\bmdns\b/m.test(zone);
}

function opensIptables(rules: string, { protocol, side, port }: Wanted): boolean {
  return rules
    .split('\n')
    .some(
      (line) =>
        line.startsWith('-A INPUT') &&
        line.includes(`-p ${protocol}`) &&
        new RegExp(`--${side} ${port}(\\s|$)`).test(line) &&
        line.includes('-j ACCEPT'),
    );
}

function windows({ discovery, http }: FirewallNeeds): readonly string[] {
  const rule = (name: string, rest: string) =>
    `New-NetFirewallRule -DisplayName "${name}" -Direction Inbound -Action Allow ${rest}`;
  return [
    'Get-NetConnectionProfile                    # NetworkCategory must be Private',
    'Get-NetFirewallRule -DisplayName "ollana*"  # what is there already',
    rule('ollana discovery', `-Profile Private,Domain -Protocol UDP -LocalPort ${discovery},5353`),
    rule('ollana answers', `-Profile Private,Domain -Protocol UDP -RemotePort ${discovery}`),
    ...(http === undefined
      ? []
      : [rule('ollana server', `-Profile Private,Domain -Protocol TCP -LocalPort ${http}`)]),
  ];
}

const MACOS: readonly string[] = [
  '/usr/libexec/ApplicationFirewall/socketfilterfw --getglobalstate --listapps',
  'sudo /usr/libexec/ApplicationFirewall/socketfilterfw --add "$(realpath "$(which node)")"',
  'sudo /usr/libexec/ApplicationFirewall/socketfilterfw --unblockapp "$(realpath "$(which node)")"',
  '# macOS 15: System Settings, Privacy & Security, Local Network: switch your terminal on',
];

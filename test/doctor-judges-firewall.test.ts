import { describe, expect, it } from 'vitest';
import { judgeFirewall } from '../src/cli/doctor/firewall.ts';
import { passesNft } from '../src/cli/doctor/nft.ts';

const NEEDS = { discovery: 11436, http: 11435 };

/** A base chain that hooks input, with these rules, as nft writes them. */
const ruleset = (policy: string, rules: readonly object[][], more: readonly object[] = []) => ({
  nftables: [
    { chain: { family: 'inet', table: 'filter', name: 'input', hook: 'input', policy } },
    ...more,
    ...rules.map((expr) => ({ rule: { family: 'inet', table: 'filter', chain: 'input', expr } })),
  ],
});
const match = (left: object, right: unknown, op = '==') => ({ match: { op, left, right } });
const udp = (field: 'dport' | 'sport', right: unknown) =>
  match({ payload: { protocol: 'udp', field } }, right);
const ACCEPT = { accept: null };
const DROP = { drop: null };
const nft = (rules: unknown) => ({ platform: 'linux', interfaces: ['eth0'], nft: rules });

describe('nftables', () => {
  const wanted = { protocol: 'udp', side: 'dport', port: 11436 } as const;
  const passing = (rules: unknown) => passesNft(rules, wanted, ['eth0']).passing;
  const L4 = { meta: { key: 'l4proto' } };

  it.each([
    ['no rules', 'accept', [], 'open'],
    ['a policy', 'drop', [], 'closed'],
    ['a port of a set', 'drop', [[udp('dport', { set: [5353, 11436] }), ACCEPT]], 'open'],
    ['a range', 'drop', [[udp('dport', { range: [11000, 12000] }), ACCEPT]], 'open'],
    ['another port', 'drop', [[udp('dport', 5353), ACCEPT]], 'closed'],
    ['a protocol', 'drop', [[match(L4, { set: ['tcp', 'udp'] }), ACCEPT]], 'open'],
    ['loopback alone', 'drop', [[match({ meta: { key: 'iifname' } }, 'lo'), ACCEPT]], 'closed'],
    ['every other interface', 'drop', [[match({ meta: { key: 'iifname' } }, 'wlan0', '!='), ACCEPT]], 'open'],
    [
      'connections that are there',
      'drop',
      [[match({ ct: { key: 'state' } }, ['established']), ACCEPT]],
      'closed',
    ],
    [
      'a drop before it',
      'drop',
      [
        [udp('dport', 11436), DROP],
        [udp('dport', 11436), ACCEPT],
      ],
      'closed',
    ],
    ['a reject at the end', 'accept', [[{ reject: null }]], 'closed'],
    [
      'some addresses',
      'drop',
      [[match({ payload: { protocol: 'ip', field: 'saddr' } }, '10.0.0.1'), ACCEPT]],
      'unknown',
    ],
    ['a set kept elsewhere', 'drop', [[udp('dport', '@ports'), ACCEPT]], 'unknown'],
    ['a match of iptables', 'drop', [[{ xt: null }, ACCEPT]], 'unknown'],
  ])('%s', (_, policy, rules, expected) => {
    expect(passing(ruleset(policy, rules))).toBe(expected);
  });

  it('follows jumps, and never for ever', () => {
    const chain = { chain: { family: 'inet', table: 'filter', name: 'more' } };
    const rule = (expr: object[]) => ({ rule: { family: 'inet', table: 'filter', chain: 'more', expr } });
    const jump = [{ jump: { target: 'more' } }];
    expect(passing(ruleset('drop', [jump], [chain, rule([udp('dport', 11436), ACCEPT])]))).toBe('open');
    expect(passing(ruleset('drop', [jump], [chain, rule([{ jump: { target: 'more' } }])]))).toBe('closed');
  });

  it.each([[null], ['x'], [{ nftables: [{}] }], [{ nftables: 7 }]])('takes %j for no rules', (rules) => {
    expect(passing(rules)).toBe('open');
  });
});

describe('the firewall', () => {
  const said = (facts: object) => judgeFirewall({ platform: 'linux', interfaces: ['eth0'], ...facts }, NEEDS);

  it('names the chain in which a rule is lacking', () => {
    expect(judgeFirewall(nft(ruleset('drop', [])), NEEDS).remedy).toEqual([
      'sudo nft insert rule inet filter input udp dport 11436 accept',
      'sudo nft insert rule inet filter input udp sport 11436 accept',
      'sudo nft insert rule inet filter input udp dport 5353 accept',
      'sudo nft insert rule inet filter input tcp dport 11435 accept',
      '# and into /etc/nftables.conf, or a restart forgets it',
    ]);
    expect(judgeFirewall(nft({ nftables: [] }), NEEDS).status).toBe('ok');
  });

  it('speaks the language of ufw and firewalld where these are', () => {
    const ufw =
      'Status: active\nDefault: deny (incoming)\n\n11436/udp ALLOW IN Anywhere\n11435/tcp ALLOW IN Anywhere\n';
    expect(said({ ufw, nft: ruleset('drop', []) }).remedy).toEqual([
      'sudo ufw allow proto udp from any port 11436 to any',
      'sudo ufw allow 5353/udp',
    ]);
    const zone =
      'public (active)\n  target: default\n  services: mdns ssh\n  ports: 11436/udp 11435/tcp\n  source-ports: \n';
    expect(said({ firewalld: zone }).remedy).toEqual([
      'sudo firewall-cmd --permanent --add-source-port=11436/udp',
      'sudo firewall-cmd --reload',
    ]);
    const rules = '-P INPUT DROP\n-A INPUT -p udp -m udp --dport 11436 -j ACCEPT\n';
    expect(said({ iptables: rules }).remedy).toContain(
      'sudo iptables -I INPUT -p tcp --dport 11435 -j ACCEPT',
    );
    expect(said({ iptables: '-P INPUT ACCEPT\n' }).status).toBe('ok');
  });

  it('says what to type where it cannot look', () => {
    expect(said({})).toMatchObject({
      status: 'unknown',
      remedy: ['sudo ollana doctor', 'ollana discover --explain'],
    });
    expect(said({ platform: 'win32' }).remedy.join('\n')).toContain('-Protocol TCP -LocalPort 11435');
    expect(said({ platform: 'darwin' }).remedy.join('\n')).toContain('--unblockapp');
  });
});

import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { judgeFirewall } from '../src/cli/doctor/firewall.ts';
import { judgeDataDisk, judgeDirectory, judgeModelDisk, judgeNode } from '../src/cli/doctor/machine.ts';
import { passesNft } from '../src/cli/doctor/nft.ts';
import { judgeBinding, judgeOllama, judgeSettings } from '../src/cli/doctor/ollama.ts';
import { judgeClock, judgePairing, judgeVersions } from '../src/cli/doctor/peers.ts';
import { judgePort } from '../src/cli/doctor/ports.ts';
import { redacted } from '../src/cli/doctor/redact.ts';
import { judgeInterfaces, judgeProxy } from '../src/cli/doctor/surroundings.ts';
import { doctorText } from '../src/cli/doctor/text.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { cli, scratch } from './_cli.ts';

const NEEDS = { discovery: 11436, http: 11435 };
const LAN = { interface: 'eth0', cidr: '192.168.1.5/24', isLoopback: false };
const LO = { interface: 'lo', cidr: '127.0.0.1/8', isLoopback: true };
const GIB = 1024 ** 3;

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

describe('the machine', () => {
  it.each([
    ['v20.17.9', 'problem'],
    ['v20.18.0', 'ok'],
    ['v24.0.0', 'ok'],
    ['v18.20.0', 'problem'],
  ])('Node %s: %s', (version, status) => {
    expect(judgeNode(version).status).toBe(status);
  });

  it('says that a disk is full, and of which', () => {
    expect(judgeDataDisk({ path: '/d', freeBytes: 1e6, totalBytes: 1e9 }).status).toBe('problem');
    expect(judgeDataDisk({ path: '/d', freeBytes: GIB, totalBytes: 1e12 }).status).toBe('ok');
    expect(judgeDataDisk(undefined).status).toBe('unknown');
    const models = judgeModelDisk({ path: '/m', freeBytes: GIB, totalBytes: 1e12 });
    expect(models.remedy.join()).toContain('ollama rm');
  });

  const found = { isDirectory: true, uid: 1000, mode: 0o40700, canWrite: true, open: [] };
  it.each([
    ['is private', {}, 'ok', ''],
    ["is another user's", { uid: 7 }, 'problem', 'sudo chown -R "$(id -u):$(id -g)" /data'],
    ['others can change', { mode: 0o40777 }, 'problem', 'chmod 700 /data'],
    ['has a key that others can read', { open: ['tls.pem'] }, 'problem', 'chmod 600 /data/tls.pem'],
    ['is a file', { isDirectory: false }, 'problem', '# give another'],
    ['cannot be written', { canWrite: false }, 'problem', 'chmod u+rwx /data'],
  ])('a data directory that %s', (_, more, status, remedy) => {
    const verdict = judgeDirectory({ path: '/data', ownUid: 1000, found: { ...found, ...more } });
    expect(verdict.status).toBe(status);
    expect(verdict.remedy.join()).toContain(remedy);
  });
});

describe('ports', () => {
  it.each([
    [{ state: 'free', isOllana: false }, 'ok', ''],
    [{ state: 'taken', isOllana: true, holder: 'ollana (pid 7, client mode)' }, 'ok', ''],
    [{ state: 'taken', isOllana: false, holder: 'python3 (pid 9)' }, 'problem', 'stop that program'],
    [{ state: 'taken', isOllana: false }, 'problem', "sudo ss -tlnp 'sport = :11435'"],
    [{ state: 'refused', isOllana: false, reason: 'EACCES' }, 'problem', 'give --port N'],
  ] as const)('%j: %s', (facts, status, remedy) => {
    const verdict = judgePort('http', { protocol: 'tcp', port: 11435, ...facts }, 'linux');
    expect(verdict.status).toBe(status);
    expect(verdict.remedy.join('\n')).toContain(remedy);
  });
});

describe('Ollama', () => {
  const facts = {
    url: 'http://127.0.0.1:11434',
    answer: 'ollama',
    version: '0.9.0',
    platform: 'linux',
  } as const;
  const withSet = (entries: Record<string, string>) =>
    judgeSettings({ ...facts, serves: true, variables: new Map(Object.entries(entries)) });

  it.each([
    [{}, 'ok', ''],
    [{ OLLAMA_KEEP_ALIVE: '5' }, 'problem', 'OLLAMA_KEEP_ALIVE=5m'],
    [{ OLLAMA_KEEP_ALIVE: '0' }, 'problem', 'OLLAMA_KEEP_ALIVE=5m'],
    [{ OLLAMA_KEEP_ALIVE: '1h30m' }, 'ok', ''],
    [{ OLLAMA_KEEP_ALIVE: '-1' }, 'ok', ''],
    [{ OLLAMA_NUM_PARALLEL: '64' }, 'problem', 'OLLAMA_NUM_PARALLEL=4'],
    [{ OLLAMA_NUM_PARALLEL: 'four' }, 'problem', 'OLLAMA_NUM_PARALLEL=2'],
    [{ OLLAMA_NUM_PARALLEL: '4' }, 'ok', ''],
  ])('%j: %s', (variables, status, remedy) => {
    const [verdict] = withSet(variables);
    expect(verdict?.status).toBe(status);
    expect(verdict?.remedy.join()).toContain(remedy);
  });

  it('is needed by a server only', () => {
    expect(judgeOllama({ ...facts, answer: 'none', serves: false }).status).toBe('ok');
    expect(judgeOllama({ ...facts, answer: 'none', serves: true })).toMatchObject({
      status: 'problem',
      remedy: ['sudo systemctl start ollama  # or: ollama serve'],
    });
    expect(judgeOllama({ ...facts, answer: 'ollana', serves: false }).status).toBe('problem');
  });

  it('that everybody reaches passes a server by', () => {
    expect(judgeBinding({ ...facts, isOpen: true, serves: true }).remedy.join()).toContain(
      'OLLAMA_HOST=127.0.0.1',
    );
    expect(judgeBinding({ ...facts, isOpen: true, serves: false }).status).toBe('ok');
    expect(judgeBinding({ ...facts, isOpen: false, serves: true }).status).toBe('ok');
    expect(judgeBinding({ ...facts, serves: true }).status).toBe('unknown');
  });
});

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

describe('surroundings', () => {
  it.each([
    [{}, 'ok', ''],
    [{ HTTP_PROXY: 'http://p:3128' }, 'problem', "export NO_PROXY='localhost,127.0.0.1,192.168.1.0/24'"],
    [{ http_proxy: 'http://p', no_proxy: 'localhost,127.0.0.1' }, 'problem', '192.168.1.0/24'],
    [{ http_proxy: 'http://p', NO_PROXY: 'localhost,127.0.0.1,192.168.0.0/16' }, 'ok', ''],
    [{ http_proxy: 'http://p', NO_PROXY: 'localhost,127.0.0.1,192.168.1.*' }, 'ok', ''],
    [{ ALL_PROXY: 'socks5://p', NO_PROXY: '*' }, 'ok', ''],
  ])('proxy %j: %s', (env, status, remedy) => {
    const verdict = judgeProxy(env, [LO, LAN], 'linux');
    expect(verdict.status).toBe(status);
    expect(verdict.remedy.join()).toContain(remedy);
  });

  it('says what interfaces are used and why', () => {
    const docker = { interface: 'docker0', cidr: '172.17.0.1/16', isLoopback: false };
    expect(judgeInterfaces([LO, LAN, docker], [LO, LAN, docker], []).seen).toBe(
      'discovery speaks on eth0 192.168.1.5/24, docker0 172.17.0.1/16 (containers); `--interface NAME` leaves the others out',
    );
    expect(judgeInterfaces([], [LO, LAN], ['eth9'])).toMatchObject({ status: 'problem' });
    expect(judgeInterfaces([LO], [LO], [])).toMatchObject({ status: 'problem' });
  });
});

describe('peers', () => {
  it('says whose clock is wrong', () => {
    const peer = (name: string, aheadMs: number) => ({ name, kind: 'ollana', aheadMs });
    expect(judgeClock([]).status).toBe('unknown');
    expect(judgeClock([peer('a', 900), peer('b', -40_000)]).status).toBe('ok');
    expect(judgeClock([peer('a', 900), peer('b', 600_000)]).remedy.join()).toContain('# on b');
    expect(judgeClock([peer('a', 600_000), peer('b', 600_000)]).remedy.join()).toContain('# here');
  });

  it('says who runs another version', () => {
    const peer = (ollana: string) => ({ name: 'attic', kind: 'ollana', ollana });
    expect(judgeVersions('1.2.0', [peer('1.2.9')]).status).toBe('ok');
    expect(judgeVersions('1.2.0', [peer('1.1.0')])).toMatchObject({ status: 'problem' });
  });

  it('says whom to pair with, as one word of a shell', () => {
    const server = { name: "a'b; rm", notPaired: true };
    const status = { pairing: 'required', servers: [server] } as never;
    expect(judgePairing({ status, allowed: 0 }).remedy).toContain("ollana device pair 'a'\\''b; rm'  # here");
    expect(judgePairing({ allowed: 0, broken: 'half' }).status).toBe('problem');
    expect(judgePairing({ allowed: 2 }).seen).toBe('required; 2 devices are allowed');
  });
});

describe('the report', () => {
  const who = { home: '/home/ada', user: 'ada', hostname: 'ada-laptop', names: ['attic', 'den'] };

  it.each([
    ['/home/ada/.local and /home/bob/x', '~/.local and /home/USER/x'],
    ['C:\\Users\\Eve\\x', 'C:\\Users\\USER\\x'],
    ['ada on ada-laptop, adamant', 'USER on HOST, adamant'],
    ['attic and den', 'server-1 and server-2'],
    [`id ${'0123456789abcdef'.repeat(4)}`, 'id 01234567…'],
    ['http://me:pw@10.0.0.7:11434', 'http://***@10.0.0.7:11434'],
    ['8.8.8.8 10.0.0.7 192.168.1.1 172.32.0.1', 'x.x.x.x 10.0.0.7 192.168.1.1 x.x.x.x'],
    ['2001:db8::1, fe80::1%eth0, ::1, at 12:30:45', 'ipv6, ipv6, ::1, at 12:30:45'],
    ['00:1a:2b:3c:4d:5e', 'mac'],
    [`ollana_${'A'.repeat(43)} Bearer abc`, '*** Bearer ***'],
    ['2026-01-01T12:30:45.000Z llama3.2:latest', '2026-01-01T12:30:45.000Z llama3.2:latest'],
  ])('%s', (text, expected) => {
    expect(redacted({ attic: [text, 7, null] }, who)).toEqual({ attic: [expected, 7, null] });
  });

  it('is at most 80 columns wide, but for commands, and steers no terminal', () => {
    const text = doctorText([
      { id: 'x', status: 'problem', title: 'A', seen: `\u001b[31m${'word '.repeat(60)}`, remedy: ['do it'] },
      { id: 'y', status: 'ok', title: 'B', seen: 'fine', remedy: [] },
    ]);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(text).not.toContain('\u001b');
    expect(text).toContain('1 problem found, by 2 checks.');
  });
});

describe('the command', { timeout: 60_000 }, () => {
  const ON_LOOPBACK = {
    OLLANA_INTERFACE: 'lo',
    HTTP_PROXY: '',
    http_proxy: '',
    ALL_PROXY: '',
    all_proxy: '',
  };
  /** Ports that no other test has, nor a running ollana. */
  const PORTS = ['--port', '0', '--discovery-port', '21436', '--ollama', 'http://127.0.0.1:9'];

  it('writes a redacted report for its owner alone, and over nothing', async () => {
    const dir = scratch();
    mkdirSync(join(dir, 'data'), { mode: 0o700 });
    const file = join(dir, 'report.json');
    const args = ['doctor', ...PORTS, '--data-dir', join(dir, 'data'), '--bundle', file];
    const env = { ...ON_LOOPBACK, HOME: dir };
    const first = await cli(args, env);
    expect(first.stdout).toContain('look through it before you send it');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const report = readFileSync(file, 'utf8');
    expect(JSON.parse(report).checks.length).toBeGreaterThan(15);
    expect(JSON.parse(report).rules.length).toBeGreaterThan(3);
    expect(report).not.toContain(dir);
    const again = await cli(args, env);
    expect([again.code, again.stderr]).toEqual([
      2,
      expect.stringContaining('is there already and stays as it is'),
    ]);
    expect(readFileSync(file, 'utf8')).toBe(report);
  });

  it('ends with 1 for mistakes in the file, a proxy and a directory that others change', async () => {
    const dir = scratch();
    const config = join(dir, 'config.toml');
    writeFileSync(config, 'prot = 1\n');
    mkdirSync(join(dir, 'data'));
    const { code, stdout } = await cli(
      ['doctor', '--json', ...PORTS, '--config', config, '--data-dir', join(dir, 'file')],
      { ...ON_LOOPBACK, HTTP_PROXY: 'http://proxy:3128', NO_PROXY: '' },
    );
    expect(code).toBe(1);
    const bad = JSON.parse(stdout).checks.filter(({ status }: { status: string }) => status === 'problem');
    expect(bad.map(({ id }: { id: string }) => id)).toEqual(expect.arrayContaining(['config', 'proxy']));
    expect(bad.find(({ id }: { id: string }) => id === 'config').seen).toContain('prot');
  });

  it('tells an Ollama that listens everywhere from one that does not', async () => {
    await using ollama = await startSimulatedOllama({ models: [] });
    const args = ['doctor', '--json', '--port', '0', '--discovery-port', '21436', '--ollama', ollama.url];
    const { stdout } = await cli([...args, '--data-dir', scratch()], ON_LOOPBACK);
    const checks: { id: string; seen: string }[] = JSON.parse(stdout).checks;
    expect(checks.find(({ id }) => id === 'ollama')?.seen).toContain(ollama.url);
    if (process.platform === 'linux')
      expect(checks.find(({ id }) => id === 'ollama-address')?.seen).toContain('only this machine reaches');
  });
});

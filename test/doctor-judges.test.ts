import { describe, expect, it } from 'vitest';
import { judgeDataDisk, judgeDirectory, judgeModelDisk, judgeNode } from '../src/cli/doctor/machine.ts';
import { judgeBinding, judgeOllama, judgeSettings } from '../src/cli/doctor/ollama.ts';
import { judgeClock, judgePairing, judgeVersions } from '../src/cli/doctor/peers.ts';
import { judgePort } from '../src/cli/doctor/ports.ts';
import { judgeInterfaces, judgeProxy } from '../src/cli/doctor/surroundings.ts';

const LAN = { interface: 'eth0', cidr: '192.168.1.5/24', isLoopback: false };
const LO = { interface: 'lo', cidr: '127.0.0.1/8', isLoopback: true };
const GIB = 1024 ** 3;

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

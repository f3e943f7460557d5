import { describe, expect, it } from 'vitest';
import { OPTIONS } from '../src/config/options.ts';
import type { Flags } from '../src/config/pick.ts';
import { type ClientConfig, resolveConfig, type ServerConfig } from '../src/config.ts';
import { OllanaError } from '../src/errors.ts';

const HERE = {
  platform: 'linux',
  homedir: '/home/jo',
  hostname: 'laptop',
  cwd: '/work',
  uid: 1000,
} as const;

type Env = Record<string, string>;
const client = (flags: Flags = {}, env: Env = {}): ClientConfig =>
  resolveConfig({ ...HERE, mode: 'client', flags, env });
const server = (flags: Flags = {}, env: Env = {}): ServerConfig =>
  resolveConfig({ ...HERE, mode: 'server', flags, env });

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(OllanaError);
    expect((error as OllanaError).code).toBe('OLLANA_BAD_OPTION');
    return (error as Error).message;
  }
  throw new Error('not refused');
}

describe('without flags and variables', () => {
  it('client mode has the documented defaults', () => {
    expect(client()).toEqual({
      mode: 'client',
      host: '127.0.0.1',
      port: 11435,
      ollama: 'http://127.0.0.1:11434',
      discoveryPort: 11436,
      interfaces: [],
      udp: true,
      mdns: true,
      dataDir: '/home/jo/.local/share/ollana',
      logFormat: 'auto',
      logLevel: 'info',
      connectTimeoutMs: 2000,
      silenceTimeoutMs: 0,
      background: false,
      pidFile: '/home/jo/.local/share/ollana/client.pid',
      writesPidFile: false,
      name: 'laptop',
      origins: [],
      servers: [],
      localFallback: true,
      policy: 'fastest',
      raceWidth: 2,
      holdMs: 30_000,
      protectContext: false,
      autoPull: false,
      traces: true,
    });
  });

  it('server mode listens on every address and allows peers nothing but inference', () => {
    expect(server()).toMatchObject({ mode: 'server', host: '0.0.0.0', port: 11435 });
    expect([...server().allow]).toEqual([]);
    expect(server().pidFile).toBe('/home/jo/.local/share/ollana/server.pid');
  });

  it('the result is frozen', () => {
    const config = client({ server: ['http://a:1'] });
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.servers) && Object.isFrozen(config.origins)).toBe(true);
  });
});

describe('flag, else variable, else default', () => {
  it.each<[keyof ClientConfig, Flags, Env, unknown]>([
    ['port', { port: '1' }, { OLLANA_PORT: '2' }, 1],
    ['port', {}, { OLLANA_PORT: '2' }, 2],
    ['port', {}, { OLLANA_PORT: ' 2 ' }, 2],
    ['port', {}, { OLLANA_PORT: '' }, 11435],
    ['port', { port: '0' }, {}, 0],
    ['host', { host: '::1' }, {}, '::1'],
    ['host', { host: '[::1]' }, {}, '::1'],
    ['host', {}, { OLLANA_HOST: 'gpu-1.local' }, 'gpu-1.local'],
    ['udp', { udp: false }, { OLLANA_UDP: '1' }, false],
    ['udp', {}, { OLLANA_UDP: 'off' }, false],
    ['mdns', { mdns: true }, { OLLANA_MDNS: '0' }, true],
    ['localFallback', { 'local-fallback': false }, {}, false],
    ['interfaces', { interface: ['eth0', 'lo'] }, { OLLANA_INTERFACE: 'wlan0' }, ['eth0', 'lo']],
    ['interfaces', {}, { OLLANA_INTERFACE: 'eth0, Ethernet 2,,eth0' }, ['eth0', 'Ethernet 2']],
    ['servers', {}, { OLLANA_SERVER: 'http://a:1=one,b:2' }, ['http://a:1=one', 'b:2']],
    ['servers', { server: ['http://[::1]:1/x/'] }, {}, ['http://[::1]:1/x/']],
    ['serverFile', { 'server-file': 'list' }, {}, '/work/list'],
    ['serverFile', {}, { OLLANA_SERVER_FILE: '/etc/list' }, '/etc/list'],
    ['logLevel', { 'log-level': 'DEBUG' }, {}, 'debug'],
    ['connectTimeoutMs', { 'connect-timeout': '500ms' }, {}, 500],
    ['connectTimeoutMs', {}, { OLLANA_CONNECT_TIMEOUT: '3' }, 3000],
    ['silenceTimeoutMs', { 'silence-timeout': '1.5m' }, {}, 90_000],
    ['silenceTimeoutMs', { 'silence-timeout': '0' }, { OLLANA_SILENCE_TIMEOUT: '9s' }, 0],
    ['holdMs', { hold: '45' }, { OLLANA_HOLD: '1m' }, 45_000],
    ['holdMs', {}, { OLLANA_HOLD: '1m' }, 60_000],
    ['holdMs', { hold: '0' }, {}, 0],
    ['policy', { policy: 'Race' }, {}, 'race'],
    ['policy', {}, { OLLANA_POLICY: 'least-busy' }, 'least-busy'],
    ['raceWidth', { race: '6' }, { OLLANA_RACE: '3' }, 6],
    ['raceWidth', {}, { OLLANA_RACE: '3' }, 3],
    ['substitute', { substitute: ['same-family'] }, {}, { sameFamily: true, pairs: [] }],
    [
      'substitute',
      {},
      { OLLANA_SUBSTITUTE: 'a:70b=a:8b, x/b=c,Same-Family' },
      {
        sameFamily: true,
        pairs: [
          { wanted: 'a:70b', other: 'a:8b' },
          { wanted: 'x/b', other: 'c' },
        ],
      },
    ],
    ['substitute', {}, { OLLANA_SUBSTITUTE: '' }, undefined],
    ['protectContext', { 'protect-context': true }, {}, true],
    ['protectContext', {}, { OLLANA_PROTECT_CONTEXT: 'on' }, true],
    ['autoPull', { 'auto-pull': false }, { OLLANA_AUTO_PULL: '1' }, false],
    ['autoPull', {}, { OLLANA_AUTO_PULL: '1' }, true],
    ['discoveryPort', { 'discovery-port': '12000' }, {}, 12_000],
    ['name', { name: 'Jo’s box' }, {}, 'Jo’s box'],
    [
      'origins',
      {},
      { OLLAMA_ORIGINS: 'http://x, y*', OLLANA_ORIGINS: 'http://z:*' },
      ['http://x', 'y*', 'http://z:*'],
    ],
    ['background', { daemon: true }, {}, true],
    ['background', {}, { OLLANA_DAEMON: 'yes' }, true],
    ['dataDir', { 'data-dir': 'd' }, { STATE_DIRECTORY: '/var/lib/ollana' }, '/work/d'],
    ['dataDir', {}, { STATE_DIRECTORY: '/var/lib/ollana:/x' }, '/var/lib/ollana'],
    ['dataDir', {}, { XDG_DATA_HOME: '/data' }, '/data/ollana'],
    ['dataDir', {}, { XDG_DATA_HOME: 'data' }, '/home/jo/.local/share/ollana'],
    ['pidFile', { pid: 'p' }, {}, '/work/p'],
    ['pidFile', {}, { RUNTIME_DIRECTORY: '/run/x', XDG_RUNTIME_DIR: '/run/user/1' }, '/run/x/client.pid'],
    ['pidFile', {}, { XDG_RUNTIME_DIR: '/run/user/1' }, '/run/user/1/ollana/client.pid'],
    ['writesPidFile', { pid: 'p' }, {}, true],
    ['writesPidFile', { daemon: true }, {}, true],
    ['logFile', { daemon: true }, {}, '/home/jo/.local/share/ollana/client.log'],
    ['logFile', { daemon: true, 'log-file': '/var/log/o' }, {}, '/var/log/o'],
  ])('%s from %j and %j', (key, flags, env, value) => {
    expect(client(flags, env)[key]).toEqual(value);
  });

  it('every option has a variable of its own, which is the flag in capitals', () => {
    for (const { flag, env } of Object.values(OPTIONS))
      expect(env).toBe(`OLLANA_${flag.replaceAll('-', '_').toUpperCase()}`);
  });

  it('--allow manage opens management', () => {
    expect([...server({ allow: ['manage'] }).allow]).toEqual(['manage']);
    expect([...server({}, { OLLANA_ALLOW: 'manage' }).allow]).toEqual(['manage']);
  });
});

it('--parallel says how many requests Ollama runs at once, and is absent when nobody says', () => {
  expect(server({ parallel: '4' }, { OLLANA_PARALLEL: '2' }).parallel).toBe(4);
  expect(server({}, { OLLANA_PARALLEL: '64' }).parallel).toBe(64);
  expect('parallel' in server()).toBe(false);
  expect(refusal(() => server({ parallel: '0' }))).toContain('bad parallel "0" from --parallel');
  expect(refusal(() => server({}, { OLLANA_PARALLEL: '65' }))).toContain('from OLLANA_PARALLEL');
  expect(refusal(() => server({ parallel: 'auto' }))).toContain('1 to 64');
});

describe('a bad value', () => {
  it.each<[Flags, Env, ...string[]]>([
    [{ port: 'x' }, {}, 'bad port "x" from --port', '0 to 65535'],
    [{ port: '65536' }, {}, '"65536" from --port'],
    [{ port: '-1' }, {}, '"-1" from --port'],
    [{ port: '0x10' }, {}, '"0x10" from --port'],
    [{ port: '' }, {}, '"" from --port'],
    [{}, { OLLANA_PORT: '1e3' }, 'bad port "1e3" from OLLANA_PORT'],
    [{ 'discovery-port': '0' }, {}, '1 to 65535'],
    [{ 'connect-timeout': '0' }, {}, 'bad connect-timeout "0" from --connect-timeout', '2s'],
    [{ 'connect-timeout': '2 days' }, {}, '"2 days"'],
    [{ 'silence-timeout': '9999h' }, {}, 'bad silence-timeout'],
    [{}, { OLLANA_SILENCE_TIMEOUT: '-1' }, 'from OLLANA_SILENCE_TIMEOUT'],
    [{}, { OLLANA_UDP: 'maybe' }, 'bad udp "maybe" from OLLANA_UDP'],
    [{ host: 'http://x' }, {}, 'bad host "http://x" from --host'],
    [{ host: '127.0.0.1:80' }, {}, 'bad host'],
    [{ host: '127.0.0.256' }, {}, 'bad host'],
    [{ 'log-level': 'loud' }, {}, 'debug, info, warn, error, silent'],
    [{ server: ['http://a:1', 'ftp://b:2'] }, {}, 'bad server "ftp://b:2" from --server', 'http://'],
    [{ server: ['gpu1'] }, {}, 'http://gpu1:11435'],
    [{ server: ['http://u:p@a:1'] }, {}, 'password'],
    [{ server: ['http://a:1?x=1'] }, {}, '?'],
    [{ server: ['http://a:99999'] }, {}, 'bad server'],
    [{ server: ['http://a:0'] }, {}, 'port 0'],
    [{ server: ['http://a:1='] }, {}, '64'],
    [{}, { OLLANA_SERVER: 'http://a:1,b' }, 'bad server "b" from OLLANA_SERVER'],
    [{ ollama: 'http://a:x' }, {}, 'bad ollama "http://a:x" from --ollama'],
    [{ ollama: 'ftp://a' }, {}, 'bad ollama'],
    [{}, { OLLAMA_HOST: 'ftp://a' }, 'bad ollama "ftp://a" from OLLAMA_HOST'],
    [{ ollama: 'http://localhost:11435' }, {}, 'from --ollama', "ollana's own address"],
    [{ hold: 'long' }, {}, 'bad hold "long" from --hold', '2s'],
    [{}, { OLLANA_HOLD: '-1' }, 'bad hold "-1" from OLLANA_HOLD'],
    [{ policy: 'slowest' }, {}, 'bad policy "slowest" from --policy', 'fastest, race, least-busy'],
    [{ race: '1' }, {}, 'bad race "1" from --race', '2 to 6'],
    [{}, { OLLANA_RACE: '7' }, 'bad race "7" from OLLANA_RACE'],
    [{ race: '2.5' }, {}, 'bad race "2.5"'],
    [{ substitute: ['llama3'] }, {}, 'bad substitute "llama3" from --substitute', 'same-family'],
    [{ substitute: ['a=b=c'] }, {}, 'bad substitute "a=b=c"'],
    [{ substitute: ['=b'] }, {}, 'bad substitute "=b"'],
    [{}, { OLLANA_SUBSTITUTE: 'a=b,c=C' }, 'bad substitute "c=C" from OLLANA_SUBSTITUTE', 'different'],
    [{ 'protect-context': 'perhaps' }, {}, 'bad protect-context "perhaps" from --protect-context'],
    [{}, { OLLANA_AUTO_PULL: '2' }, 'bad auto-pull "2" from OLLANA_AUTO_PULL'],
    [{ interface: ['a/b'] }, {}, 'bad interface "a/b"'],
    [{ name: 'a\u001b[31mb' }, {}, 'bad name "a?[31mb" from --name'],
    [{ origins: ['nonsense'] }, {}, 'bad origins "nonsense"'],
  ])('%j %j names the option, the value and where it came from', (flags, env, ...parts) => {
    const message = refusal(() => client(flags, env));
    for (const part of parts) expect(message).toContain(part);
    expect(message).not.toMatch(/\p{Cc}/u);
    expect(message.length).toBeLessThan(300);
  });

  it('of a megabyte is not repeated in full', () => {
    expect(refusal(() => client({ port: 'x'.repeat(1_000_000) })).length).toBeLessThan(200);
  });

  it('in a variable of the other mode is not looked at', () => {
    expect(() => client({}, { OLLANA_ALLOW: 'all' })).not.toThrow();
    expect(() => server({}, { OLLANA_POLICY: 'nonsense' })).not.toThrow();
  });
});

describe('an OLLAMA_HOST that points Ollama clients at ollana', () => {
  it.each([
    ['localhost:11435', {}, 'http://127.0.0.1:11434'],
    ['http://127.0.0.1:11435/', {}, 'http://127.0.0.1:11434'],
    ['[::1]:11435', {}, 'http://127.0.0.1:11434'],
    ['localhost:11435', { port: '11500' }, 'http://localhost:11435'],
    ['gpu1:11435', {}, 'http://gpu1:11435'],
  ])('%s with %j gives %s', (host, flags, url) => {
    expect(client(flags, { OLLAMA_HOST: host }).ollama).toBe(url);
    expect(server(flags, { OLLAMA_HOST: host }).ollama).toBe(url);
  });
});

describe('places', () => {
  const at = (platform: NodeJS.Platform, homedir: string, env: Env = {}, flags: Flags = {}, uid?: number) =>
    resolveConfig({
      platform,
      homedir,
      env,
      flags,
      hostname: 'h',
      cwd: platform === 'win32' ? 'C:\\w' : '/w',
      mode: 'client',
      ...(uid === undefined ? {} : { uid }),
    });

  it.each<[NodeJS.Platform, string, Env, string, string]>([
    [
      'darwin',
      '/Users/jo',
      { XDG_DATA_HOME: '/x' },
      '/Users/jo/Library/Application Support/ollana',
      'client.pid',
    ],
    ['win32', 'C:\\jo', {}, 'C:\\jo\\AppData\\Local\\ollana', 'client.pid'],
    ['win32', 'C:\\jo', { LOCALAPPDATA: 'D:\\l' }, 'D:\\l\\ollana', 'client.pid'],
  ])('on %s are the platform’s', (platform, home, env, dataDir, pid) => {
    const config = at(platform, home, env);
    expect(config.dataDir).toBe(dataDir);
    expect(config.pidFile).toBe(dataDir + (platform === 'win32' ? '\\' : '/') + pid);
  });

  it('of root’s pid file is /run/ollana', () => {
    expect(at('linux', '/root', {}, {}, 0).pidFile).toBe('/run/ollana/client.pid');
  });

  it('a user without home must name the data directory', () => {
    expect(refusal(() => at('linux', ''))).toContain('--data-dir');
    expect(at('linux', '', {}, { 'data-dir': '/d' }).dataDir).toBe('/d');
  });
});

import { describe, expect, it } from 'vitest';
import { readConfigText } from '../src/config/file-values.ts';
import { defaultConfigFile } from '../src/config/paths.ts';
import { configRows } from '../src/config/rows.ts';
import { readToml } from '../src/config/toml.ts';
import { resolveConfig } from '../src/config.ts';

const HERE = { platform: 'linux', homedir: '/home/jo', hostname: 'laptop', cwd: '/work', uid: 1000 } as const;
const FILE = '/home/jo/.config/ollana/config.toml';
const read = (text: string) => readConfigText(text, FILE, HERE);

describe('a file', () => {
  it('counts after flags and variables, before defaults, and each value knows who said it', () => {
    const file = read(
      'port = 1\nhold = 45\nname = "attic"\nudp = false\n\nserver = [\n  "http://a:1=one",\n  "b:2",\n]',
    );
    expect(file.mistakes).toEqual([]);
    const told = { ...HERE, flags: { port: '3' }, env: { OLLANA_HOLD: '5s', OLLAMA_HOST: 'gpu:1' }, file };
    const config = resolveConfig({ ...told, mode: 'client' });
    expect(config).toMatchObject({ port: 3, holdMs: 5000, name: 'attic', udp: false, mdns: true });
    expect(config.servers).toEqual(['http://a:1=one', 'b:2']);
    expect(Object.isFrozen(config)).toBe(true);
    const rows = configRows(told);
    const of = (option: string) => rows.filter((row) => row.option === option);
    expect(of('port')).toEqual([{ option: 'port', mode: 'both', value: 3, unit: null, source: '--port' }]);
    expect(of('hold')).toEqual([
      { option: 'hold', mode: 'client', value: 5000, unit: 'ms', source: 'OLLANA_HOLD' },
    ]);
    expect(of('server')[0]?.source).toBe(`${FILE}:6`);
    expect(of('ollama')[0]).toMatchObject({ value: 'http://gpu:1', source: 'OLLAMA_HOST' });
    expect(of('host').map(({ mode, value }) => [mode, value])).toEqual([
      ['client', '127.0.0.1'],
      ['serve', '0.0.0.0'],
    ]);
    expect(of('require-key')[0]).toMatchObject({ value: false, source: 'default' });
  });

  it.each([
    ['prot = 1', ':1: unknown key "prot": did you mean port?'],
    ['log_level = "warn"', 'did you mean log-level?'],
    ['OLLANA_RACE = 2', 'did you mean race?'],
    ['no-mdns = true', 'write mdns = false'],
    ['xyzzy = 1', '`ollana config` lists the keys'],
    ['json = true', 'json has no place in a file: it is an option of `ollana status`'],
    ['config = "x"', 'config has no place in a file: it is an option of `ollana`, `ollana serve`'],
    ['\n[serve]\nport = 1', ':2: unknown table [serve]: the file has no tables'],
    ['a.b = 1', 'unknown table [a]'],
    ['hold = true', 'bad hold: true or false does not do here; write hold = "30s"'],
    ['udp = "no"', 'write udp = true or udp = false'],
    ['name = 5', 'bad name: a number does not do here; write name = "NAME"'],
    ['server = [1]', 'write server = ["URL[=NAME]", ...]'],
    ['hold = 2020-01-01', 'bad hold: a date does not do here'],
    ['port = inf', `bad port "Infinity" from ${FILE}:1: give a whole number`],
    ['\n\nport = 70000', `bad port "70000" from ${FILE}:3: give a whole number from 0 to 65535`],
    ['server = ["gpu1"]', `bad server "gpu1" from ${FILE}:1: `],
    ['port = 1\nport = 2', ':2: no TOML: port is set in line 1 already'],
    ['port = 1\nhost = "x\nhold = 1', ':2: no TOML: '],
    ['__proto__ = 1', 'unknown key "__proto__"'],
    ['"a\\u001b[2J" = 1', 'unknown key "a?[2J"'],
  ])('%j is refused: %s', (text, message) => {
    const { mistakes } = read(text);
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toContain(message);
    expect(mistakes[0]).toContain(`${FILE}:`);
  });

  it('has all its mistakes told at once, in order, and what is right in it is still read', () => {
    const { mistakes, said } = read('prot = 1\nhost = "x\nport = 5\nhold = "soon"\nudp = 1');
    expect(mistakes.map((one) => /toml:(\d)/.exec(one)?.[1])).toEqual(['1', '2', '4', '5']);
    expect([...said.keys()]).toEqual(['port']);
  });

  it('has paths relative to itself, and ~ is the home', () => {
    const { said } = read('server-file = "servers"\nlog-file = "~/x.log"\ndata-dir = "/var/d"');
    expect([...said.values()].map(({ texts }) => texts[0])).toEqual([
      '/home/jo/.config/ollana/servers',
      '/home/jo/x.log',
      '/var/d',
    ]);
  });

  it('may be written by Notepad, with a mark before it and lines that end in CR LF', () => {
    expect(readToml('\uFEFFport = 1\r\n# x\r\nhold = """\r\nport = 3"""\r\n').entries).toEqual([
      { key: 'port', value: 1, line: 1 },
      { key: 'hold', value: 'port = 3', line: 3 },
    ]);
  });
});

it.each([
  ['linux', {}, '/home/jo', '/home/jo/.config/ollana/config.toml'],
  ['linux', { XDG_CONFIG_HOME: '/c' }, '/home/jo', '/c/ollana/config.toml'],
  ['linux', { XDG_CONFIG_HOME: 'c' }, '/home/jo', '/home/jo/.config/ollana/config.toml'],
  ['linux', { CONFIGURATION_DIRECTORY: '/etc/ollana' }, '/', '/etc/ollana/config.toml'],
  ['linux', {}, '', '/etc/ollana/config.toml'],
  [
    'darwin',
    { XDG_CONFIG_HOME: '/c' },
    '/Users/jo',
    '/Users/jo/Library/Application Support/ollana/config.toml',
  ],
  ['win32', { APPDATA: 'C:\\R' }, 'C:\\jo', 'C:\\R\\ollana\\config.toml'],
  ['win32', {}, 'C:\\jo', 'C:\\jo\\AppData\\Roaming\\ollana\\config.toml'],
] as const)('on %s with %j and home %s the file is %s', (platform, env, homedir, path) => {
  expect(defaultConfigFile({ ...HERE, platform, env, homedir })).toBe(path);
});

it('with --take-port the own Ollama is looked for aside, whatever points at the port that is taken', () => {
  const of = (flags: object, env = {}) =>
    resolveConfig({ ...HERE, mode: 'client', flags: { 'take-port': true, ...flags }, env });
  expect(of({})).toMatchObject({ takePort: true, ollama: 'http://127.0.0.1:11433' });
  expect(of({}, { OLLAMA_HOST: 'localhost:11434' }).ollama).toBe('http://127.0.0.1:11433');
  expect(of({ ollama: 'gpu:11434' }).ollama).toBe('http://gpu:11434');
  expect(() => of({ ollama: '127.0.0.1:11434' })).toThrow("ollana's own address");
});

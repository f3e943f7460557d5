import { expect, test, vi } from 'vitest';
import { findCommand, readFlags } from '../src/cli/argv.ts';
import { hostOf } from '../src/config/host.ts';
import type { Option } from '../src/config/option.ts';
import { OPTIONS, optionsOf } from '../src/config/options.ts';
import type { Flags } from '../src/config/pick.ts';
import { type ConfigInput, resolveConfig } from '../src/config.ts';
import { parseServerList } from '../src/discovery/server-list.ts';
import { OllanaError } from '../src/errors.ts';
import { type Dice, fuzz, mutated, OwnTime, shown } from './_fuzz.ts';

/** On a busy machine. */
vi.setConfig({ testTimeout: 120_000 });

/** Nothing that is typed takes longer to be read, ms; a garbage collection may. */
const LIMIT_MS = 200;
const time = new OwnTime();

/** What people type, and what they paste by mistake. */
const TEXTS = [
  '1',
  '0',
  'true',
  'off',
  '11435',
  '65536',
  '-1',
  '2s',
  '500ms',
  '1e3',
  '99999999h',
  'http://192.168.1.20:11434=attic',
  'gpu1:11435',
  '[fe80::1%eth0]:11435',
  'https://[::1]:11434/a/b?c#d',
  'http://user:pw@host:1',
  'dns:_ollama._tcp.gpu.example@10.0.0.1:53',
  'same-family',
  'llama3=llama3.1',
  'fastest',
  'manage',
  'manage,,  manage',
  '60/min',
  '0.0.0.0',
  '::',
  '*',
  '/tmp/../x',
  '~/x',
  'C:\\x',
  '\u2028\u202e\u0007\u001b[31m',
  'x'.repeat(10_000),
  '=,'.repeat(5000),
  '%'.repeat(3000),
  '['.repeat(3000),
  'a.'.repeat(3000),
  '1'.repeat(3000),
  ' '.repeat(3000),
  '\ud800',
  '__proto__',
];

function text(dice: Dice): string {
  const one = dice.one(TEXTS);
  return dice.chance(0.5) ? mutated(Buffer.from(one), dice, '0123456789:/=,.[]%@ *-\0').toString() : one;
}

/** What a user is told: one line that names what is wrong. */
function isClear(error: unknown): boolean {
  if (!(error instanceof OllanaError) || error.code !== 'OLLANA_BAD_OPTION') return false;
  return error.message.length < 1000 && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(error.message);
}

/** Runs something that may throw, which must not take long. */
function timed<T>(what: string, run: () => T): T {
  const startedAt = time.now();
  const check = () => {
    const ms = time.now() - startedAt;
    if (ms > LIMIT_MS) throw new RangeError(`${what} took ${ms} ms`);
  };
  try {
    const value = run();
    check();
    return value;
  } catch (error) {
    check();
    throw error;
  }
}

test('20000 configurations are taken as they were meant, or refused in one clear line', async () => {
  const all = Object.values<Option>(OPTIONS);
  const doors = [OPTIONS.requirePairing, OPTIONS.requireKey];
  let taken = 0;
  await fuzz({
    name: 'flags and variables',
    cases: 20_000,
    run: (dice) => {
      const flags: Record<string, Flags[string]> = {};
      const env: Record<string, string> = {};
      for (let count = 1 + dice.below(4); count > 0; count -= 1) {
        const option = dice.chance(0.2) ? dice.one<Option>(doors) : dice.one(all);
        if (dice.chance(0.5)) env[option.env] = text(dice);
        else if (option.kind === 'switch') flags[option.flag] = dice.chance(0.5);
        else flags[option.flag] = option.kind === 'list' ? [text(dice), text(dice)] : text(dice);
      }
      for (const name of [
        'OLLAMA_HOST',
        'OLLAMA_ORIGINS',
        'STATE_DIRECTORY',
        'XDG_RUNTIME_DIR',
        'XDG_DATA_HOME',
      ])
        if (dice.chance(0.1)) env[name] = text(dice);
      const surroundings = {
        env,
        platform: dice.one<NodeJS.Platform>(['linux', 'darwin', 'win32']),
        homedir: dice.one(['/home/a', '']),
        hostname: dice.one(['host', '', text(dice)]),
        cwd: '/tmp',
        uid: 1000,
      };
      const mode = dice.one(['client', 'server'] as const);
      const said = `${shown(JSON.stringify({ mode, flags, env }))}`;
      let config: ReturnType<typeof resolveConfig>;
      try {
        config = timed(said, () => resolveConfig({ mode, flags, ...surroundings } as ConfigInput));
      } catch (error) {
        if (isClear(error)) return;
        throw new Error(`${said}: ${(error as Error).stack}`);
      }
      taken += 1;
      const numbers = [config.port, config.discoveryPort, config.connectTimeoutMs, config.silenceTimeoutMs];
      if (!numbers.every((number) => Number.isInteger(number) && number >= 0) || config.port > 65_535)
        throw new Error(`${said} became ${JSON.stringify(config)}`);
      hostOf(config.ollama);
      if (!Object.isFrozen(config)) throw new Error(`${said} can be changed`);
      if ('allow' in config && [...config.allow].some((one) => one !== 'manage'))
        throw new Error(`${said} allows more`);
      // Whoever says anything of a door has been understood.
      const isSaid = ({ flag, env: name }: Option) =>
        flags[flag] !== undefined || (env[name] ?? '').trim() !== '';
      if (isSaid(OPTIONS.requirePairing) && typeof config.requirePairing !== 'boolean')
        throw new Error(`${said}: the door was overheard`);
      const key = String(flags['require-key'] ?? env.OLLANA_REQUIRE_KEY ?? '')
        .trim()
        .toLowerCase();
      if (
        isSaid(OPTIONS.requireKey) &&
        ['1', 'true', 'yes', 'on'].includes(key) !== (config.requireKey === true)
      )
        throw new Error(`${said}: the key was overheard`);
    },
  });
  expect(taken).toBeGreaterThan(2000);
});

test('20000 command lines are read, or refused in one clear line', async () => {
  const words = [
    'serve',
    'status',
    'device',
    'key',
    'pull',
    'rm',
    'add',
    'help',
    '--',
    '-d',
    '-h',
    '--help',
    '-',
    '',
  ];
  const flags = optionsOf('serve').flatMap(({ flag }) => [`--${flag}`, `--no-${flag}`, `--${flag}=`]);
  await fuzz({
    name: 'command lines',
    cases: 20_000,
    run: (dice) => {
      const argv = Array.from({ length: dice.below(6) }, () => {
        const kind = dice.below(4);
        if (kind === 0) return dice.one(words);
        if (kind === 1) return dice.one(flags) + (dice.chance(0.3) ? text(dice) : '');
        return kind === 2
          ? mutated(Buffer.from(dice.one([...flags, ...words])), dice, '-= ').toString()
          : text(dice);
      });
      try {
        timed(shown(JSON.stringify(argv)), () => {
          const { command, args } = findCommand(argv);
          readFlags(command, args);
        });
      } catch (error) {
        if (!isClear(error)) throw new Error(`${shown(JSON.stringify(argv))}: ${(error as Error).stack}`);
      }
    },
  });
});

test('20000 server files: good lines count, the others are told by their number', async () => {
  const good = 'http://192.168.1.20:11434=attic';
  const lines = ['# comment', '', 'http://192.168.1.21:11434', 'gpu2:11435=b', '\ufeff', 'nonsense', good];
  await fuzz({
    name: 'server files',
    cases: 20_000,
    run: (dice) => {
      const made = Array.from({ length: dice.below(12) }, () =>
        dice.chance(0.6)
          ? mutated(Buffer.from(dice.one([...lines, ...TEXTS])), dice, '\r\n=:/# ').toString()
          : dice.one(lines),
      );
      const file = made.join(dice.one(['\n', '\r\n'])).replaceAll('192.168.1.20', '192.168.1.22');
      const { servers, bad } = timed(shown(file), () => parseServerList(`${good}\n${file}\n#end`));
      if (servers.get('http://192.168.1.20:11434')?.name !== 'attic')
        throw new Error(`lost by ${shown(file)}`);
      for (const { line, reason } of bad)
        if (line < 2 || reason.length > 1000 || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(reason))
          throw new Error(`${line}: ${shown(reason)}`);
      for (const url of servers.keys()) hostOf(url);
    },
  });
});

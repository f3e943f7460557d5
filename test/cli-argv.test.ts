import { describe, expect, it } from 'vitest';
import { findCommand, readFlags } from '../src/cli/argv.ts';
import { backgroundArgs } from '../src/cli/detach.ts';
import { nearest } from '../src/config/nearest.ts';
import type { Command } from '../src/config/option.ts';
import type { Flags } from '../src/config/pick.ts';

const words = (line: string) => line.split(' ').filter((word) => word !== '');

describe('the command', () => {
  it.each<[string, Command, string]>([
    ['', 'client', ''],
    ['--port 1', 'client', '--port 1'],
    ['serve', 'serve', ''],
    ['serve --port 1', 'serve', '--port 1'],
    ['--port 1 serve -d', 'serve', '--port 1 -d'],
    ['-d serve', 'serve', '-d'],
    ['--no-udp serve', 'serve', '--no-udp'],
    ['--name serve', 'client', '--name serve'],
    ['--name=x status', 'status', '--name=x'],
    ['help serve', 'serve', '--help'],
    ['help', 'client', '--help'],
    ['--prot 1', 'client', '--prot 1'],
    ['-- serve', 'client', '-- serve'],
  ])('of %j is %s', (line, command, args) => {
    expect(findCommand(words(line))).toEqual({ command, args: words(args) });
  });

  it.each([
    ['srve', 'did you mean serve?'],
    ['stauts', 'did you mean status?'],
    ['--port 1 dmeo', 'did you mean demo?'],
    ['xyzzy', 'see ollana --help'],
  ])('%j is unknown: %s', (line, hint) => {
    expect(() => findCommand(words(line))).toThrow(hint);
  });
});

describe('flags', () => {
  it.each<[Command, string, Flags]>([
    ['client', '', {}],
    ['client', '--port 1', { port: '1' }],
    ['client', '--port=1', { port: '1' }],
    ['client', '--port 1 --port 2', { port: '2' }],
    ['client', '--port -1', { port: '-1' }],
    ['client', '--port=', { port: '' }],
    ['client', '--server a:1=x --server=b:2=y', { server: ['a:1=x', 'b:2=y'] }],
    ['client', '--interface eth0 --interface lo', { interface: ['eth0', 'lo'] }],
    [
      'client',
      '--no-udp --no-mdns --no-local-fallback',
      { udp: false, mdns: false, 'local-fallback': false },
    ],
    ['client', '--udp=off --mdns', { udp: 'off', mdns: true }],
    ['serve', '-d --allow manage', { daemon: true, allow: ['manage'] }],
    ['status', '--json', { json: true }],
  ])('of %s %j are %j', (command, line, flags) => {
    expect(readFlags(command, words(line))).toEqual({ flags });
  });

  it.each<[Command, string, string]>([
    ['client', '--prot 1', 'unknown option "--prot": did you mean --port?'],
    ['client', '--no-upd', 'did you mean --no-udp?'],
    ['client', '--dataDir x', 'did you mean --data-dir?'],
    ['client', '--conect-timeout 1', 'did you mean --connect-timeout?'],
    ['client', '-daemon', 'did you mean --daemon?'],
    ['client', '-x', 'see ollana --help'],
    ['client', '--zzzzzzzz', 'see ollana --help'],
    ['status', '--zzzzzzzz', 'see ollana status --help'],
    ['client', '--no-port', '--port cannot be turned off'],
    ['client', '--no-udp=1', 'takes no value'],
    ['client', '--port', '--port needs a value: give --port N'],
    ['client', '--port --no-udp', '--port needs a value'],
    ['client', '--port 1 2', 'unexpected argument "2"'],
    ['client', '--', 'unexpected argument "--"'],
    ['client', '-', 'unexpected argument "-"'],
    ['client', '--=1', 'unexpected argument'],
    ['client', '--allow manage', '"ollana" has no option --allow: it belongs to "ollana serve"'],
    ['serve', '--policy first', 'it belongs to "ollana"'],
    ['serve', '--no-local-fallback', '"ollana serve" has no option --no-local-fallback'],
    ['demo', '-d', '"ollana demo" has no option -d'],
    ['client', '--\u001b[31m', 'unknown option "--?[31m"'],
    ['client', '--__proto__ x', 'unknown option'],
  ])('of %s %j are refused: %s', (command, line, message) => {
    expect(() => readFlags(command, words(line))).toThrow(message);
  });

  it('--help and --version win over everything else that is typed', () => {
    expect(readFlags('client', ['--prot', '--help'])).toEqual({ flags: {}, wants: 'help' });
    expect(readFlags('serve', ['-v'])).toEqual({ flags: {}, wants: 'version' });
  });
});

describe('a slip', () => {
  it.each([
    ['prot', 'port'],
    ['servre', 'server'],
    ['sever-file', 'server-file'],
    ['x', undefined],
    ['completely-other', undefined],
  ])('of %s is taken for %s', (word, meant) => {
    expect(nearest(word, ['port', 'pid', 'server', 'server-file'])).toBe(meant);
  });

  it('of a megabyte takes no time', () => {
    const begin = performance.now();
    nearest('a'.repeat(1_000_000), ['server-file']);
    expect(performance.now() - begin).toBeLessThan(100);
  });
});

describe('the call of the background process', () => {
  it.each([
    ['client', '-d --port 1', '--port 1 --log-file=L --pid=P'],
    ['client', '--daemon=true --port=1', '--port=1 --log-file=L --pid=P'],
    ['serve', '--name x --daemon', 'serve --name x --log-file=L --pid=P'],
  ] as const)('%s %j is %j', (command, line, call) => {
    expect(backgroundArgs({ command, args: words(line) }, 'L', 'P')).toEqual(words(call));
  });
});

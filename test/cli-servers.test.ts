import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { addedText } from '../src/cli/add.ts';
import { findCommand, readFlags } from '../src/cli/argv.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { cli, scratch } from './_cli.ts';
import { cleanEnvironment, startDaemon } from './_daemon.ts';
import { TestProcess } from './_process.ts';

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
/** Starting the command line from its sources takes a second on a busy machine. */
const LIMIT_MS = 60_000;

/** A client-mode daemon without servers, from the sources. */
const startAlone = () =>
  startDaemon({
    args: ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback'],
    startMs: 20_000,
    launch: (command, [_built, ...rest], env) =>
      new TestProcess(command, ['--import', 'tsx', CLI, ...rest], {
        env: cleanEnvironment({ OLLANA_INTERFACE: 'lo', ...env }),
      }),
  });

describe('ollana add and remove', { timeout: LIMIT_MS }, () => {
  it('name a server to the running ollana and take it back, and say what came of it', async () => {
    await using ollama = await startSimulatedOllama({ models: [{ name: 'one' }] });
    await using daemon = await startAlone();
    const at = ['--data-dir', daemon.dataDir];
    expect(await cli(['add', `${ollama.url}=attic`, '--keep', ...at])).toEqual({
      code: 0,
      stdout: `added attic at ${ollama.url}, kept; it has 1 model\n`,
      stderr: '',
    });
    const status = await cli(['status', '--json', ...at]);
    expect(JSON.parse(status.stdout)[0].servers).toMatchObject([{ name: 'attic', verdict: 'reliable' }]);
    expect(await cli(['remove', 'nobody', ...at])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'ollana: no server is called nobody: known are attic\n',
    });
    expect(await cli(['remove', 'attic', ...at])).toEqual({
      code: 0,
      stdout: 'removed attic\n',
      stderr: '',
    });
    const off = await cli(['add', 'localhost:9', ...at]);
    expect(off).toMatchObject({ code: 0, stderr: '' });
    expect(off.stdout).toMatch(/^added localhost:9 at .*; it does not answer yet \(.+\) and is tried on\n$/);
  });

  it.each([
    ['add', 'http://10.0.0.7:11434'],
    ['remove', 'attic'],
  ])('%s ends with 4 without a daemon', async (...args) => {
    const { code, stderr } = await cli([...args, '--data-dir', scratch()]);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^ollana: no running ollana found in .*\n$/);
  });

  it('a mistyped URL is a bad usage, whether an ollana runs or not', async () => {
    const { code, stderr } = await cli(['add', 'gpu1', '--data-dir', scratch()]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^ollana: bad server "gpu1": .*http:\/\/gpu1:11435/);
  });

  it.each(['add', 'remove'])('%s has help with examples', async (command) => {
    const { code, stdout } = await cli([command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: ollana ${command}`);
    expect(stdout).toMatch(/Examples:\n {2}ollana/);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe('their arguments', () => {
  it('stand anywhere among the options, and a name may have blanks', () => {
    const typed = findCommand(['add', '--keep', 'http://h:1=the attic', '--data-dir=x']);
    expect(readFlags(typed.command, typed.args)).toEqual({
      flags: { keep: true, 'data-dir': 'x' },
      server: 'http://h:1=the attic',
    });
  });

  it.each([
    ['add', [], 'URL is missing: usage: ollana add URL[=NAME]'],
    ['remove', [], 'NAME is missing: usage: ollana remove NAME'],
    ['remove', ['a', 'b'], 'unexpected argument "b"'],
    ['remove', [' '], '" " is no server'],
    ['add', ['a\u001b[2J'], 'is no server'],
    ['remove', ['a', '--keep'], '"ollana remove" has no option --keep: it belongs to "ollana add"'],
  ] as const)('%s %j is refused', (command, args, message) => {
    expect(() => readFlags(command, args)).toThrow(message);
  });
});

it('what the daemon answers is told in a line, whatever it holds', () => {
  const at = { name: 'attic', url: 'http://h:1', added: true, kept: false };
  expect(addedText({ ...at, server: { verdict: 'reliable', models: ['a', 'b'] } })).toBe(
    'added attic at http://h:1; it has 2 models',
  );
  expect(addedText({ ...at, added: false })).toBe(
    'known already: attic at http://h:1; it does not answer yet and is tried on',
  );
});

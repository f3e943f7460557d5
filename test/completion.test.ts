import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bashScript, fishScript, powershellScript, zshScript } from '../src/cli/completion-scripts.ts';
import { completionTable } from '../src/cli/completion-table.ts';
import { cli, scratch } from './_cli.ts';

const TABLE = completionTable();
const has = (shell: string) => spawnSync(shell, ['--version']).status === 0;

/** What bash offers after a line, its words split as bash splits them. */
function offered(...words: string[]): string[] {
  const file = join(scratch(), 'ollana.bash');
  writeFileSync(file, bashScript(TABLE));
  const quoted = ['ollana', ...words].map((word) => `'${word}'`).join(' ');
  const script = `set -u; source ${file}; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _ollana; printf '%s\\n' "\${COMPREPLY[@]-}"`;
  return execFileSync('bash', ['--norc', '-c', script], { encoding: 'utf8', cwd: scratch() })
    .split('\n')
    .filter((one) => one !== '');
}

describe('completion in bash', () => {
  it.each<[string[], string[]]>([
    [['re'], ['remove', 'reload']],
    [
      ['device', ''],
      ['show', 'list', 'allow', 'disable', 'pair'],
    ],
    [['device', 'pair', ''], []],
    [['config', 'c'], ['check']],
    [['completion', 'p'], ['powershell']],
    [['--pol'], ['--policy']],
    [
      ['--policy', 'f'],
      ['fastest', 'first'],
    ],
    [
      ['--policy', '=', 'f'],
      ['fastest', 'first'],
    ],
    [
      ['--policy', '='],
      ['fastest', 'race', 'least-busy', 'first', 'random'],
    ],
    [['--port', '1', 'serve', '--par'], ['--parallel']],
    [['serve', '--allow', ''], ['manage']],
    [['--name', 'serve', '--tak'], ['--take-port']],
    [['--no-u'], ['--no-udp']],
    [['serve', '--tak'], []],
    [['env', '--shell', 'z'], ['zsh']],
    [['--name', ''], []],
    [
      ['run', 'bas'],
      ['bash', 'basename', 'base64', 'base32', 'basenc', 'bashbug'],
    ],
  ])('offers after %j %j', (words, wanted) => {
    const found = offered(...words);
    if (words[0] === 'run') expect(found).toContain('bash');
    else expect(found.sort()).toEqual([...wanted].sort());
  });

  it('offers files where a file is wanted, and what follows a program as files', () => {
    expect(offered('--log-file', '/etc/pass')).toContain('/etc/passwd');
    expect(offered('run', 'cat', '/etc/pass')).toContain('/etc/passwd');
  });
});

it('every command is in every script, with every option of it', () => {
  for (const script of [bashScript, zshScript, fishScript, powershellScript].map((write) => write(TABLE)))
    for (const { command, flags } of TABLE) {
      if (command !== 'client') expect(script).toContain(command);
      for (const { flag } of flags) expect(script).toContain(flag.replace(/^--/, ''));
    }
});

it('a quote in a help text ends none of the zsh texts', () => {
  expect(zshScript(TABLE)).toContain("this machine'\\''s own Ollama");
});

it('is printed by the command, and refused for other shells', { timeout: 60_000 }, async () => {
  expect((await cli(['completion', 'bash'])).stdout).toBe(bashScript(TABLE));
  expect(await cli(['completion', 'bsh'])).toMatchObject({
    code: 2,
    stderr: 'ollana: no completion for "bsh": did you mean bash?\n',
  });
  expect((await cli(['completion'])).stderr).toContain('give one of bash, zsh, fish, powershell');
});

it.each([
  ['zsh', zshScript],
  ['fish', fishScript],
])('%s takes its script', (shell, write) => {
  if (!has(shell)) return;
  const file = join(scratch(), `ollana.${shell}`);
  writeFileSync(file, write(TABLE));
  const { status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
});

it.skipIf(!has('fish'))('fish offers commands, actions and values', () => {
  const file = join(scratch(), 'ollana.fish');
  writeFileSync(file, fishScript(TABLE));
  const ask = (line: string) =>
    execFileSync('fish', ['-c', `source ${file}; complete -C '${line}'`], { encoding: 'utf8' });
  expect(ask('ollana relo')).toMatch(/^reload\t/);
  expect(ask('ollana config ch')).toMatch(/^check/);
  expect(ask('ollana --policy fa')).toMatch(/^fastest/);
  expect(ask('ollana serve --par')).toMatch(/^--parallel\t/);
});

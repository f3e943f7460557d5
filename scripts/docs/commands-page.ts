import { COMMANDS } from '../../src/cli/argv.ts';
import { COMMAND_TEXTS } from '../../src/cli/command-texts.ts';
import { EXIT_MEANINGS } from '../../src/cli/exit-codes.ts';
import type { Command, Option } from '../../src/config/option.ts';
import { optionsOf } from '../../src/config/options.ts';

/** Where the page is kept, from the top of the repository. */
export const COMMANDS_PAGE = 'docs/commands.md';
/** What brings the page up to date. */
export const REMEDY = 'npm run docs';

/** Every command and option as the code has them, as Markdown that ends in a line break. Pure. */
export function commandsPage(): string {
  const commands: readonly Command[] = ['client', ...COMMANDS];
  return [
    `<!-- Made by \`${REMEDY}\` from src/cli/help.ts and src/config/options/: change those. -->`,
    '# Commands and options',
    '',
    'A flag counts before its variable, that before `config.toml`, that before the default. The key of an option in',
    '`config.toml` is its flag without the dashes. A switch `--x` is turned off by `--no-x`, or by `0` in its variable;',
    'a list in a variable is separated by commas. Every command also takes `--help` and `--version`.',
    '',
    '| command | what it does |',
    '| --- | --- |',
    ...commands.map((name) => row(`[\`${typed(name)}\`](#${anchor(name)})`, COMMAND_TEXTS[name].about)),
    '',
    ...commands.flatMap(section),
    '## Exit codes',
    '',
    '| code | meaning |',
    '| --- | --- |',
    ...EXIT_MEANINGS.map(([code, meaning]) => row(code, meaning)),
    '',
  ].join('\n');
}

function section(name: Command): string[] {
  const { usage, about, examples } = COMMAND_TEXTS[name];
  return [
    `## ${typed(name)}`,
    '',
    `${about.charAt(0).toUpperCase()}${about.slice(1)}.`,
    '',
    '```sh',
    `# ${usage}`,
    ...examples,
    '```',
    '',
    ...options(optionsOf(name)),
  ];
}

function options(rows: readonly Option[]): string[] {
  if (rows.length === 0) return [];
  return ['| option | variable | default | |', '| --- | --- | --- | --- |', ...rows.map(optionRow), ''];
}

function optionRow({ flag, short, kind, hint, env, fallback, fallbackHelp, help }: Option): string {
  const onByDefault = kind === 'switch' && fallback === 'true';
  const name = onByDefault ? `--no-${flag}` : `--${flag}${hint === undefined ? '' : ` ${hint}`}`;
  const shown =
    fallbackHelp ?? (kind === 'switch' ? (fallback === undefined ? '' : 'off') : (fallback ?? ''));
  return row(
    `${short === undefined ? '' : `\`-${short}\`, `}\`${name}\``,
    `\`${onByDefault ? `${env}=0` : env}\``,
    shown,
    `${help}${kind === 'list' ? '; repeatable' : ''}`,
  );
}

const typed = (name: Command): string => (name === 'client' ? 'ollana' : `ollana ${name}`);
const anchor = (name: Command): string => typed(name).replaceAll(' ', '-');
/** A bar would begin another cell, what looks like a tag would not be shown. */
const row = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('<', '&lt;')).join(' | ')} |`;

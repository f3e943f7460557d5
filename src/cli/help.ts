import type { Command, Option } from '../config/option.ts';
import { optionsOf } from '../config/options.ts';
import { VERSION } from '../config/version.ts';
import { COMMAND_TEXTS } from './command-texts.ts';
import { EXIT_MEANINGS } from './exit-codes.ts';
import { wrap } from './text.ts';

/** The terminal that nobody ever complains about. */
const COLUMNS = 80;

/** The help page of a command, at most 80 columns wide, ending in a line break. */
export function helpPage(command: Command): string {
  const { usage, about, examples } = COMMAND_TEXTS[command];
  const head =
    command === 'client'
      ? [`ollana ${VERSION}: every GPU on the network behind localhost:11435`, '', ...commandLines()]
      : [`ollana ${command}: ${about}`, '', `Usage: ${usage}`];
  return [
    ...head,
    '',
    'Options (flag, else variable, else config.toml, else default):',
    ...optionsOf(command).flatMap(optionLines),
    ...entry('  -h, --help', 'show this'),
    ...entry('  -v, --version', 'show the version'),
    '',
    'Examples:',
    ...examples.map((example) => `  ${example}`),
    '',
    'Exit codes:',
    ...EXIT_MEANINGS.flatMap(([code, meaning]) => entry(`  ${code}`, meaning, 12)),
    '',
  ].join('\n');
}

function commandLines(): string[] {
  const commands = Object.values(COMMAND_TEXTS);
  return [
    'Usage:',
    ...commands.flatMap(({ usage, about }) => entry(`  ${usage}`, about)),
    '',
    'Each command has its own --help.',
  ];
}

function optionLines({ flag, short, kind, hint, env, fallback, fallbackHelp, help }: Option): string[] {
  const onByDefault = kind === 'switch' && fallback === 'true';
  const typed = onByDefault ? `--no-${flag}` : `--${flag}${hint ? ` ${hint}` : ''}`;
  const more = kind === 'list' ? '; repeatable' : '';
  const shown = fallbackHelp ?? (kind === 'switch' ? undefined : fallback);
  const variable = onByDefault ? `${env}=0` : env;
  const notes = shown === undefined ? `[${variable}]` : `[${variable}; default: ${shown}]`;
  return entry(`  ${short ? `-${short}, ` : ''}${typed}`, `${help}${more} ${notes}`);
}

/** A term and its explanation in two columns; a term too long for its column gets a line of its own. */
function entry(term: string, text: string, indent = 28): string[] {
  const lines = wrap(text, COLUMNS - indent);
  const margin = ' '.repeat(indent);
  if (term.length > indent - 2) return [term, ...lines.map((line) => margin + line)];
  return lines.map((line, index) => (index === 0 ? term.padEnd(indent) : margin) + line);
}

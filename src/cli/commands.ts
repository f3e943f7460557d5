import { type ArgsDef, type CommandDef, defineCommand } from 'citty';
import type { Command } from '../config/option.ts';
import { optionsOf } from '../config/options.ts';
import { VERSION } from '../config/version.ts';
import { COMMANDS } from './argv.ts';
import { COMMAND_TEXTS } from './command-texts.ts';

/** Carries a command out, given its arguments as typed. */
export type Action = (command: Command, args: readonly string[]) => Promise<void>;

/**
 * The tree of commands for citty, made from the option table. The root has no `run` of its own: citty would
 * call it after every subcommand too. citty accepts unknown flags and keeps only the last of a repeated one, so
 * the action reads the raw arguments by the same table.
 */
export function commandTree(action: Action): CommandDef {
  const commandOf = (command: Command) =>
    defineCommand({
      meta: { name: command, description: COMMAND_TEXTS[command].about, hidden: command === 'client' },
      args: argsOf(command),
      run: ({ rawArgs }) => action(command, rawArgs),
    });
  return defineCommand({
    meta: {
      name: 'ollana',
      version: VERSION,
      description: 'Every GPU on the network behind localhost:11435',
    },
    default: 'client',
    subCommands: Object.fromEntries(
      (['client', ...COMMANDS] as const).map((name) => [name, commandOf(name)]),
    ),
  });
}

function argsOf(command: Command): ArgsDef {
  return Object.fromEntries(
    optionsOf(command).map(({ flag, short, kind, hint, help }) => [
      flag,
      {
        type: kind === 'switch' ? ('boolean' as const) : ('string' as const),
        description: help,
        ...(short === undefined ? {} : { alias: short }),
        ...(hint === undefined ? {} : { valueHint: hint }),
      },
    ]),
  );
}

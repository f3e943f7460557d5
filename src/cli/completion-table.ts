import type { Command, Option } from '../config/option.ts';
import { SHELLS } from '../config/options/asking.ts';
import { optionsOf } from '../config/options.ts';
import { parsePath } from '../config/values.ts';
import { COMMANDS } from './argv.ts';
import { COMMAND_TEXTS } from './command-texts.ts';
import { CONFIG_ACTIONS } from './config.ts';
import { DEVICE_ACTIONS } from './device-action.ts';
import { KEY_ACTIONS } from './key.ts';
import { PORT_ACTIONS } from './port.ts';
import { SERVICE_ACTIONS } from './service/service.ts';

/** A flag as it is typed, and what may follow it. */
export interface FlagChoice {
  /** With its dashes. */
  readonly flag: string;
  readonly about: string;
  /** `none`: nothing follows; `text`: anything. */
  readonly takes: 'none' | 'text' | 'file' | readonly string[];
}

/** What can be typed after a command. */
export interface CommandChoice {
  readonly command: Command;
  readonly about: string;
  /** The first word, where these are all; for `run` a program. */
  readonly words: readonly string[];
  readonly flags: readonly FlagChoice[];
}

/** The shells that a script is written for. */
export const COMPLETED = SHELLS.filter((shell) => shell !== 'cmd');

const WORDS: Partial<Readonly<Record<Command, readonly string[]>>> = {
  key: KEY_ACTIONS,
  device: DEVICE_ACTIONS,
  config: CONFIG_ACTIONS,
  port: PORT_ACTIONS,
  service: SERVICE_ACTIONS,
  completion: COMPLETED,
};

/** All that can be typed, by the tables of commands and options; the first is the command without a name. Pure. */
export function completionTable(): readonly CommandChoice[] {
  return (['client', ...COMMANDS] as const).map((command) => ({
    command,
    about: COMMAND_TEXTS[command].about,
    words: WORDS[command] ?? [],
    flags: [...optionsOf(command).flatMap(flagsOf), { flag: '--help', about: 'show help', takes: 'none' }],
  }));
}

function flagsOf({ flag, short, kind, help, fallback, parse, choices }: Option): readonly FlagChoice[] {
  if (kind === 'switch') {
    // The help of a switch that is on tells what its other form does.
    const isOn = fallback === 'true';
    const plain: FlagChoice = { flag: isOn ? `--no-${flag}` : `--${flag}`, about: help, takes: 'none' };
    return short === undefined ? [plain] : [plain, { ...plain, flag: `-${short}` }];
  }
  const takes = choices ?? (parse === parsePath ? 'file' : 'text');
  return [{ flag: `--${flag}`, about: help, takes }];
}

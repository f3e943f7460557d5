import { describe, expect, it } from 'vitest';
import { findCommand, readFlags } from '../src/cli/argv.ts';
import { COMMAND_TEXTS } from '../src/cli/command-texts.ts';
import type { Command, Option } from '../src/config/option.ts';
import { OPTIONS, optionsOf } from '../src/config/options.ts';
import { codeOf, exists, filesUnder, ollanaCalls, type Page, pages, read, wrong } from './_docs.ts';

/** The actions that a usage line such as `ollana key add NAME | list` knows, if it knows any. */
const actionsOf = (command: Command): ReadonlySet<string> =>
  new Set(COMMAND_TEXTS[command].usage.split(/[\s|[\]]+/).slice(2));
const WITH_ACTIONS: ReadonlySet<Command> = new Set(['key', 'device', 'config', 'port', 'completion']);

/** What is wrong with the calls in a text. */
const faultsIn = (text: string): readonly string[] =>
  ollanaCalls(text).flatMap((args) => faultOf(args) ?? []);

/** What is wrong with a call, or nothing. */
function faultOf(args: readonly string[]): string | undefined {
  try {
    const { command, args: rest } = findCommand(args);
    const { flags, words = [] } = readFlags(command, rest);
    const [action] = words;
    if (action !== undefined && WITH_ACTIONS.has(command) && !actionsOf(command).has(action))
      throw new RangeError(`ollana ${command} does not know ${action}`);
    for (const [name, value] of Object.entries(flags)) {
      const option = optionsOf(command).find(({ flag }) => flag === name);
      // Capitals stand for something else: `--on SERVER`.
      const texts = [value]
        .flat()
        .filter((one) => typeof one === 'string' && !/^[A-Z]+(?:=[A-Z]+)?$/.test(one));
      for (const text of texts) option?.parse(String(text));
    }
    return undefined;
  } catch (error) {
    return `ollana ${args.join(' ')}: ${(error as Error).message}`;
  }
}

describe('commands in the documentation', () => {
  const SHELLS = new Set(['sh', 'bash', 'console', 'powershell']);
  const shellOf = ({ fences }: Page) => fences.filter(({ language }) => SHELLS.has(language));
  const callsOf = (page: Page) =>
    [...shellOf(page).map(({ text }) => text), ...page.spans].flatMap((text) => ollanaCalls(text));

  it('are many, and are found where they hide', () => {
    expect(pages.flatMap(callsOf).length).toBeGreaterThan(150);
    const hidden = [
      'eval "$(ollana env)"',
      'A=b sudo ollana -d && ollana status | less',
      'ollana logs > f # x',
    ];
    expect(hidden.flatMap((text) => ollanaCalls(text).map((args) => args.join(' ')))).toEqual([
      'env',
      '-d',
      'status',
      'logs',
    ]);
  });

  it('are such as the command line takes, with their flags, values and actions', () => {
    expect(wrong((page) => shellOf(page).flatMap(({ text }) => faultsIn(text)))).toEqual([]);
    // In running text a command is also called by its name alone.
    const named = (text: string) =>
      (/^ollana [a-z]+$/.test(text) && findCommand(text.split(' ').slice(1))) || undefined;
    expect(wrong(({ spans }) => spans.flatMap((text) => (named(text) ? [] : faultsIn(text))))).toEqual([]);
  });

  it('of npm run and node are there', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const missing = wrong((page) =>
      codeOf(page).flatMap((text) => [
        ...[...text.matchAll(/npm run ([\w-]+)/g)]
          .map(([, name = '']) => name)
          .filter((name) => !scripts[name]),
        ...[...text.matchAll(/(?:node|tsx|bash|-f) ((?:scripts|packaging|\.ci)\/[\w./-]+)/g)]
          .map(([, file = '']) => file)
          .filter((file) => !exists(file)),
      ]),
    );
    expect(missing).toEqual([]);
  });

  it('mention flags that there are', () => {
    const flags = new Set(Object.values<Option>(OPTIONS).map(({ flag }) => flag));
    const others = filesUnder('scripts', /\.(ts|mjs)$/)
      .map(read)
      .join('\n');
    const known = (name: string) =>
      flags.has(name) ||
      flags.has(name.replace(/^no-/, '')) ||
      FOREIGN_FLAGS.has(name) ||
      others.includes(`${name}: {`);
    const names = ({ spans }: Page) =>
      spans.flatMap((span) => [...span.matchAll(/^--([a-z][\w-]*)/g)].map(([, name = '']) => name));
    expect(wrong((page) => names(page).filter((name) => !known(name)))).toEqual([]);
  });
});

/** Flags of other programs, of which a page speaks alone. */
const FOREIGN_FLAGS = new Set(['network', 'loopback', 'help', 'version', 'x', 'no-x', 'cluster-domain']);

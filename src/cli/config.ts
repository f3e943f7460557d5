import { existsSync } from 'node:fs';
import { configFilePath, readConfigFile, refuseMistakes, type Told } from '../config/file.ts';
import { nearest } from '../config/nearest.ts';
import { quote } from '../config/pick.ts';
import { configRows } from '../config/rows.ts';
import { resolveConfig } from '../config.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { configTable } from './config-table.ts';
import { EXIT } from './exit-codes.ts';
import { safeJson } from './safe-json.ts';
import { plainText } from './text.ts';

/** What `ollana config` can be told. */
export const CONFIG_ACTIONS = ['show', 'path', 'check'] as const;

/** What a command is told before the file is read. */
export type Typed = Omit<Told, 'file'>;

/**
 * Runs `ollana config [show|path|check]` and returns the exit code: 2 where the file has mistakes. Throws
 * OLLANA_BAD_OPTION and OLLANA_UNREADABLE_FILE.
 */
export function configAction(typed: Typed, words: readonly string[], json: boolean): number {
  const [word = 'show', more] = words;
  const action = CONFIG_ACTIONS.find((known) => known === word);
  if (!action) {
    const near = nearest(word, CONFIG_ACTIONS);
    const hint = near ? `did you mean ${near}?` : `give one of ${CONFIG_ACTIONS.join(', ')}`;
    throw new OllanaError('OLLANA_BAD_OPTION', `unknown action ${quote(word)}: ${hint}`);
  }
  if (more !== undefined) throw new OllanaError('OLLANA_BAD_OPTION', `unexpected argument ${quote(more)}`);
  if (action === 'check') return check(typed, json);
  return action === 'path' ? printPath(typed, json) : show(typed, json);
}

function show(typed: Typed, json: boolean): number {
  const file = readConfigFile(typed);
  refuseMistakes(file);
  const rows = configRows({ ...typed, file });
  const { path } = configFilePath(typed);
  const text = json
    ? `${safeJson({ file: path, exists: file !== undefined, options: rows })}\n`
    : configTable(rows, path, file !== undefined);
  process.stdout.write(text);
  return EXIT.ok;
}

function printPath(typed: Typed, json: boolean): number {
  const { path } = configFilePath(typed);
  process.stdout.write(
    json ? `${safeJson({ file: path, exists: existsSync(path) })}\n` : `${plainText(path)}\n`,
  );
  return EXIT.ok;
}

/** Looks at the file alone: a variable of this terminal is not the file's mistake. */
function check(typed: Typed, json: boolean): number {
  const file = readConfigFile(typed);
  const { path } = configFilePath(typed);
  const mistakes = file && file.mistakes.length === 0 ? together({ ...typed, file }) : (file?.mistakes ?? []);
  if (json) process.stdout.write(`${safeJson({ file: path, exists: file !== undefined, mistakes })}\n`);
  else if (mistakes.length > 0)
    process.stderr.write(mistakes.map((one) => `ollana: ${plainText(one)}\n`).join(''));
  else {
    const count = file?.said.size ?? 0;
    const what = file ? `good, ${count} ${count === 1 ? 'option is' : 'options are'} set` : 'there is none';
    process.stdout.write(`${plainText(`${path}: ${what}`)}\n`);
  }
  return mistakes.length > 0 ? EXIT.usage : EXIT.ok;
}

/** What is wrong with values that are right each by itself. */
function together(told: Told): readonly string[] {
  const others = Object.entries(told.env).filter(([name]) => !/^(OLLANA|OLLAMA)_/.test(name));
  const alone = { ...told, flags: {}, env: Object.fromEntries(others) };
  const wrong = (['client', 'server'] as const).flatMap((mode) => {
    try {
      resolveConfig({ ...alone, mode });
      return [];
    } catch (error) {
      return [reasonOf(error)];
    }
  });
  return [...new Set(wrong)];
}

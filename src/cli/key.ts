import { systemClock } from '../clock.ts';
import { nearest } from '../config/nearest.ts';
import { quote } from '../config/pick.ts';
import { type Rate, rateText } from '../config/rate.ts';
import { OllanaError } from '../errors.ts';
import { type ApiKey, hashOf, MAX_KEY_MODELS, newKey } from '../security/api-key.ts';
import { changeKeys, loadKeys } from '../security/key-file.ts';
import { EXIT } from './exit-codes.ts';
import { safeJson } from './safe-json.ts';
import { type Column, rowLine, titleLine } from './table.ts';
import { plainText } from './text.ts';

/** What `ollana key ACTION` was told beside its words. */
export interface KeyOrder {
  readonly dataDir: string;
  readonly json: boolean;
  /** For `add`: the only models; empty: all. */
  readonly models: readonly string[];
  /** For `add`. */
  readonly rate: Rate | undefined;
}

/** What `ollana key` can be told. */
export const KEY_ACTIONS = ['add', 'list', 'remove'] as const;
const LONGEST_NAME = 64;

const TABLE: readonly Column<ApiKey>[] = [
  { title: 'NAME', width: 24, align: 'left', cell: ({ name }) => name },
  { title: 'SINCE', width: 10, align: 'left', cell: ({ since }) => since.slice(0, 10) },
  { title: 'RATE', width: 12, align: 'left', cell: ({ rate }) => (rate ? rateText(rate) : '-') },
  { title: 'MODELS', width: 30, align: 'left', cell: ({ models }) => models?.join(', ') ?? 'all' },
];

/**
 * Adds, lists or removes keys for apps; a running ollana needs no restart. Returns the exit code. Throws
 * OLLANA_BAD_OPTION and OLLANA_UNREADABLE_FILE.
 */
export async function keyAction(order: KeyOrder, words: readonly string[]): Promise<number> {
  const [typed = '', name, ...more] = words;
  const action = KEY_ACTIONS.find((known) => known === typed);
  if (!action) {
    const near = nearest(typed, KEY_ACTIONS);
    const what = typed === '' ? 'what is to be done is missing' : `unknown action ${quote(typed)}`;
    throw bad(`${what}: ${near ? `did you mean ${near}?` : 'give add NAME, list or remove NAME'}`);
  }
  if (action !== 'add' && (order.models.length > 0 || order.rate))
    throw bad(`--models and --rate belong to \`ollana key add\`: to change a key, remove it and add another`);
  if (action === 'list' && name === undefined) return listKeys(order);
  if (action === 'list' || more.length > 0) throw bad(`unexpected argument ${quote(more[0] ?? name ?? '')}`);
  if (name === undefined) throw bad(`NAME is missing: give ollana key ${action} NAME`);
  return action === 'add' ? addKey(order, name) : removeKey(order, name);
}

/** The key alone goes to stdout, so that a script can keep it; the only time that it is shown. */
async function addKey({ dataDir, models, rate }: KeyOrder, name: string): Promise<number> {
  if (name.length > LONGEST_NAME) throw bad(`a name has at most ${LONGEST_NAME} characters`);
  if (models.length > MAX_KEY_MODELS) throw bad(`give at most ${MAX_KEY_MODELS} models, or none for all`);
  const key = newKey();
  const since = new Date(systemClock.wall()).toISOString();
  const row: ApiKey = {
    name,
    hash: hashOf(key),
    since,
    ...(models.length > 0 && { models }),
    ...(rate && { rate }),
  };
  await changeKeys(dataDir, (keys) => {
    if (keys.some((one) => isCalled(one, name)))
      throw bad(`there is a key called ${quote(name)} already: remove it first, or give another name`);
    return [...keys, row];
  });
  process.stdout.write(`${key}\n`);
  process.stderr.write(
    `${plainText(`This is the key of ${name}, and it is not shown again; it counts at once. Apps send it as their API key.`)}\n`,
  );
  return EXIT.ok;
}

async function listKeys({ dataDir, json }: KeyOrder): Promise<number> {
  const keys = await loadKeys(dataDir);
  const shown = keys.map(({ hash: _hash, rate, ...row }) => ({
    ...row,
    ...(rate && { rate: rateText(rate) }),
  }));
  const text = json
    ? safeJson(shown)
    : keys.length === 0
      ? 'No keys: add one with `ollana key add NAME`.'
      : [titleLine(TABLE), ...keys.map((key) => rowLine(TABLE, key))].join('\n');
  process.stdout.write(`${text}\n`);
  return EXIT.ok;
}

async function removeKey({ dataDir }: KeyOrder, name: string): Promise<number> {
  await changeKeys(dataDir, (keys) => {
    const left = keys.filter((key) => !isCalled(key, name));
    if (left.length === keys.length)
      throw bad(`there is no key called ${quote(name)}: \`ollana key list\` shows them`);
    return left;
  });
  process.stdout.write(`${plainText(`removed ${name}: it counts no more`)}\n`);
  return EXIT.ok;
}

const isCalled = (key: ApiKey, name: string): boolean => key.name.toLowerCase() === name.toLowerCase();
const bad = (message: string): OllanaError => new OllanaError('OLLANA_BAD_OPTION', message);

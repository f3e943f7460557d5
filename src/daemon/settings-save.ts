import { changeConfigFile } from '../config/change-file.ts';
import { parseToml } from '../config/toml.ts';
import { setTomlKey } from '../config/toml-edit.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { LIVE, type Reading, type Reloader, type ReloadReport } from './reload.ts';
import type { SettingOrder } from './settings-order.ts';

/** What came of one option. */
export interface SavedSetting {
  readonly option: string;
  /** `live`: it counts now; `restart`: it will; `overridden`: a flag or variable counts before the file. */
  readonly state: 'live' | 'restart' | 'overridden';
  /** The same for people, with what to do. */
  readonly text: string;
}

/** What came of saving. */
export interface SaveReport extends Pick<ReloadReport, 'file' | 'changed'> {
  readonly settings: readonly SavedSetting[];
}

/**
 * Writes settings into the file and has them taken over, all or none of them. Rejects with OLLANA_BAD_REQUEST (400)
 * where they do not go together, OLLANA_BAD_OPTION (409) where the file has mistakes already, and with what
 * `changeConfigFile` and `Reloader.reload` say.
 */
export async function saveSettings(
  reloader: Pick<Reloader, 'reading' | 'check' | 'reload' | 'restartBy'>,
  orders: readonly SettingOrder[],
): Promise<SaveReport> {
  const { file } = reloader.reading;
  const report = await changeConfigFile(
    file,
    (text) => {
      const next = orders.reduce(
        (all, { option, value }) => setTomlKey(all, option, value),
        sound(file, text),
      );
      tryCheck(reloader, text, next);
      return next;
    },
    () => reloader.reload(),
  );
  const settings = orders.map((order) => savedSetting(order, reloader.reading, report, reloader.restartBy));
  return { file: report.file, changed: report.changed, settings };
}

/** The same text. Throws where it is no TOML. */
function sound(file: string, text: string): string {
  try {
    parseToml(text);
    return text;
  } catch (error) {
    const [first = ''] = String((error as Error).message).split('\n');
    throw broken(`${file}: ${first.replace('Invalid TOML document: ', 'no TOML: ')}`, error);
  }
}

function tryCheck(reloader: Pick<Reloader, 'check'>, before: string, next: string): void {
  try {
    reloader.check(next);
  } catch (error) {
    if (!(error instanceof OllanaError)) throw error;
    let wasSound = true;
    try {
      reloader.check(before);
    } catch {
      wasSound = false;
    }
    if (!wasSound) throw broken(reasonOf(error), error);
    const message = `${reasonOf(error)}; nothing has been changed`;
    throw new OllanaError('OLLANA_BAD_REQUEST', message, { status: 400, cause: error });
  }
}

function broken(what: string, cause: unknown): OllanaError {
  const remedy = 'nothing has been changed; correct that first: `ollana config check` lists all mistakes';
  return new OllanaError('OLLANA_BAD_OPTION', `${what}; ${remedy}`, { status: 409, cause });
}

function savedSetting(
  { option, key, value }: SettingOrder,
  { deciders }: Reading,
  { restart }: ReloadReport,
  restartBy: string,
): SavedSetting {
  const decider = deciders.get(option);
  const done = value === undefined ? 'taken back' : 'saved';
  if (decider?.by === 'flag' || decider?.by === 'variable') {
    const remedy =
      decider.by === 'flag'
        ? `start ollana without ${decider.source}`
        : `unset ${decider.source} where ollana is started`;
    const text = `${done}, but ${decider.source} decides: ${remedy}`;
    return { option, state: 'overridden', text };
  }
  if (LIVE.has(key) || !restart.includes(option))
    return { option, state: 'live', text: `${done}; it counts now` };
  return { option, state: 'restart', text: `${done}; it counts after a restart: ${restartBy}` };
}

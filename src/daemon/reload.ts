import type { Cancel } from '../clock.ts';
import type { Option } from '../config/option.ts';
import { OPTIONS } from '../config/options.ts';
import { type ConfigRow, shown } from '../config/rows.ts';
import type { ClientConfig, ServerConfig } from '../config.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import type { Log } from '../observe/log.ts';

type Config = ClientConfig | ServerConfig;
type Values = Readonly<Record<string, unknown>>;

/** Who decides an option's value. */
export interface Decider {
  readonly by: 'flag' | 'variable' | 'file' | 'default';
  /** `--hold`, `OLLANA_HOLD`, `FILE:LINE`, or `default`. */
  readonly source: string;
}

/** What a start would be told now. */
export interface Reading<C extends Config = Config> {
  readonly config: C;
  /** The file that counts; it need not exist. */
  readonly file: string;
  /** Options that the file sets in vain, and what counts before it: `hold (--hold)`. */
  readonly shadowed: readonly string[];
  /** By flag, for every option that a file may set. */
  readonly deciders: ReadonlyMap<string, Decider>;
}

/**
 * Resolves the configuration as a start would, with the file as it is, or with `text` in its place. Throws what a start
 * would.
 */
export type Read<C extends Config = Config> = (text?: string) => Reading<C>;

/** An option that is another than before. */
export interface Change {
  readonly option: string;
  readonly unit: 'ms' | null;
  readonly from: ConfigRow['value'];
  readonly to: ConfigRow['value'];
}

/** What came of reading the configuration again. */
export interface ReloadReport {
  readonly file: string;
  /** What counts from now on. */
  readonly changed: readonly Change[];
  /** Options that are others than those the daemon runs with, and count when it is started again. */
  readonly restart: readonly string[];
  readonly shadowed: readonly string[];
}

/** The members of a configuration that a running daemon takes over. Everything else is built into what runs. */
export const LIVE: ReadonlySet<string> = new Set([
  'holdMs',
  'allow',
  'allowRegistry',
  'origins',
  'logLevel',
  'requireKey',
  'servers',
]);

/** The configuration of a running daemon: parts of it change when it is read again. */
export class Reloader<C extends Config = Config> {
  /** As it is at any moment: what can change live is asked anew each time. */
  readonly config: C;
  /** How a person has this daemon started anew, for what cannot change live. */
  readonly restartBy: string;
  readonly #read: Read<C>;
  readonly #log: Pick<Log, 'info' | 'error'>;
  readonly #listeners = new Set<(now: C, before: C) => void>();
  #current: C;
  #reading: Reading<C>;

  /** `start` is what the daemon is started with. */
  constructor(options: {
    readonly start: Reading<C>;
    readonly read: Read<C>;
    readonly restartBy: string;
    readonly log: Pick<Log, 'info' | 'error'>;
  }) {
    this.#current = options.start.config;
    this.#reading = options.start;
    this.restartBy = options.restartBy;
    this.#read = options.read;
    this.#log = options.log;
    const live = [...LIVE].map((key) => [
      key,
      { enumerable: true, get: () => (this.#current as unknown as Values)[key] },
    ]);
    this.config = Object.freeze(
      Object.defineProperties({ ...options.start.config }, Object.fromEntries(live)),
    );
  }

  /** What was read last, and understood. */
  get reading(): Reading<C> {
    return this.#reading;
  }

  /** Throws OLLANA_BAD_OPTION where a start with `text` for its file would. */
  check(text: string): void {
    this.#read(text);
  }

  /** Calls `listener` when something has changed, until the returned function is called. It must not throw. */
  onChange(listener: (now: C, before: C) => void): Cancel {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Reads the configuration again and takes over what can change live. Throws what a start would, with status 422 and
   * that the running configuration stays, as it does then.
   */
  reload(): ReloadReport {
    const reading = this.#tryRead();
    const { file, shadowed, config: read } = reading;
    const before = this.#current;
    const rows = differences(before, read);
    const changed = rows.filter(({ key }) => LIVE.has(key)).map(({ key: _key, ...change }) => change);
    const restart = rows.filter(({ key }) => !LIVE.has(key)).map(({ option }) => option);
    const taken = Object.entries(read).filter(([key]) => LIVE.has(key));
    const kept = Object.entries(before).filter(([key]) => !LIVE.has(key));
    this.#reading = reading;
    this.#current = Object.freeze(Object.fromEntries([...kept, ...taken])) as unknown as C;
    for (const listener of [...this.#listeners]) listener(this.#current, before);
    this.#log.info('the configuration has been read again', {
      file,
      changed: changed.map(({ option }) => option),
      ...(restart.length > 0 && { restart }),
    });
    return { file, changed, restart, shadowed };
  }

  #tryRead(): Reading<C> {
    try {
      return this.#read();
    } catch (error) {
      const reason = reasonOf(error);
      this.#log.error('the configuration is not taken, the running one stays', { reason });
      const code = error instanceof OllanaError ? error.code : 'OLLANA_UNREADABLE_FILE';
      throw new OllanaError(code, `${reason}; the running configuration stays`, {
        status: 422,
        cause: error,
      });
    }
  }
}

/** The options that differ between two configurations of one mode, in the order of `--help`. Pure. */
function differences(from: Config, to: Config): readonly (Change & { readonly key: string })[] {
  const before = { ...from } as unknown as Values;
  const after = { ...to } as unknown as Values;
  return Object.entries<Option>(OPTIONS).flatMap(([key, option]) => {
    const change = { from: shown(option, before[key]), to: shown(option, after[key]) };
    const isSame = JSON.stringify(change.from) === JSON.stringify(change.to);
    return isSame ? [] : [{ key, option: option.flag, unit: key.endsWith('Ms') ? 'ms' : null, ...change }];
  });
}

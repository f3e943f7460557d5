import { configFilePath, readConfigFile, refuseMistakes, type Told } from '../config/file.ts';
import { type ConfigFile, FILE_OPTIONS, readConfigText } from '../config/file-values.ts';
import type { Option } from '../config/option.ts';
import { OPTIONS } from '../config/options.ts';
import { saidBy } from '../config/pick.ts';
import { sourceOf } from '../config/rows.ts';
import { resolveConfig } from '../config.ts';
import type { Decider, Read, Reading } from '../daemon/reload.ts';

type Mode = 'client' | 'server';
type Here = Omit<Told, 'file'>;

/** What a start is told by flags, variables and a file that has been read. Throws OLLANA_BAD_OPTION as it would. Pure. */
export function readingOf(mode: Mode, told: Here & { readonly file?: ConfigFile | undefined }): Reading {
  const { file } = told;
  refuseMistakes(file);
  const config = resolveConfig({ ...told, mode });
  const values = { ...config } as unknown as Readonly<Record<string, unknown>>;
  const keys = new Map(Object.entries<Option>(OPTIONS).map(([key, option]) => [option, key]));
  const deciders = new Map(
    FILE_OPTIONS.map((option) => [
      option.flag,
      deciderOf(option, told, sourceOf(option, told, values[keys.get(option) ?? ''])),
    ]),
  );
  const shadowed = FILE_OPTIONS.flatMap(({ flag }) => {
    const decider = deciders.get(flag);
    return file?.said.has(flag) && decider && decider.by !== 'file' ? [`${flag} (${decider.source})`] : [];
  });
  return { config, file: configFilePath(told).path, shadowed, deciders };
}

/** Reads the configuration as a start with the same flags and variables would have it at any later time. */
export function readerOf(mode: Mode, before: Here): Read {
  return (text) => {
    const { path } = configFilePath(before);
    const file = text === undefined ? readConfigFile(before) : readConfigText(text, path, before);
    return readingOf(mode, { ...before, file });
  };
}

function deciderOf(option: Option, told: Told, source: string): Decider {
  const said = saidBy(option, told);
  if (said === undefined) return { by: source === 'default' ? 'default' : 'variable', source };
  if (said.startsWith('--')) return { by: 'flag', source };
  return { by: said === option.env ? 'variable' : 'file', source };
}

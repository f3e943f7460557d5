import type { Option } from '../config/option.ts';
import { OPTIONS } from '../config/options.ts';
import { shown } from '../config/rows.ts';
import type { CommonConfig } from '../config.ts';
import type { SettingView } from '../dashboard/view.ts';
import { LIVE } from './reload.ts';

/** Every option of a running daemon with the value that counts, in the order of `--help`. Pure. */
export function settingViews(
  config: CommonConfig & { readonly mode: 'client' | 'server' },
): readonly SettingView[] {
  const command = config.mode === 'server' ? 'serve' : 'client';
  const values = { ...config } as unknown as Readonly<Record<string, unknown>>;
  return Object.entries<Option>(OPTIONS).flatMap(([key, option]): SettingView[] => {
    if (option === OPTIONS.config || !option.commands.includes(command)) return [];
    const value = shown(option, values[key]);
    return [
      {
        option: option.flag,
        value,
        unit: key.endsWith('Ms') ? 'ms' : null,
        source: isDefault(option, value) ? 'default' : 'set',
        variable: option.env,
        flag:
          option.kind === 'switch' && option.fallback === 'true' ? `--no-${option.flag}` : `--${option.flag}`,
        help: option.help,
        live: LIVE.has(key),
      },
    ];
  });
}

/** What the surroundings decide where nobody says anything counts as a default, too, as far as that can be told. */
function isDefault(option: Option, value: SettingView['value']): boolean {
  if (value === null || (Array.isArray(value) && value.length === 0)) return true;
  if (option.fallback === undefined) return option.kind !== 'list';
  try {
    return JSON.stringify(shown(option, option.parse(option.fallback))) === JSON.stringify(value);
  } catch {
    return false;
  }
}

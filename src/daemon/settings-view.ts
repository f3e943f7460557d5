import type { Option } from '../config/option.ts';
import { OPTIONS } from '../config/options.ts';
import { shown } from '../config/rows.ts';
import type { CommonConfig } from '../config.ts';
import type { SettingView } from '../dashboard/view.ts';
import { type Decider, LIVE } from './reload.ts';
import { isSettable } from './settings-order.ts';

/**
 * Every option of a running daemon with the value that counts, in the order of `--help`. Without `deciders` nobody knows
 * who said what, and nothing can be saved. Pure.
 */
export function settingViews(
  config: CommonConfig & { readonly mode: 'client' | 'server' },
  deciders?: ReadonlyMap<string, Decider>,
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
        ...(deciders?.get(option.flag) ?? unknownDecider(option, value)),
        variable: option.env,
        flag:
          option.kind === 'switch' && option.fallback === 'true' ? `--no-${option.flag}` : `--${option.flag}`,
        help: option.help,
        kind: option.kind,
        hint: option.hint ?? null,
        choices: option.choices ?? null,
        live: LIVE.has(key),
        settable: deciders !== undefined && isSettable(option, config.mode),
      },
    ];
  });
}

function unknownDecider(option: Option, value: SettingView['value']): Pick<SettingView, 'by' | 'source'> {
  return isDefault(option, value) ? { by: 'default', source: 'default' } : { by: 'set', source: 'set' };
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

import type { SettingView } from '../../view.ts';
import { duration, NONE } from '../format.tsx';

/** What a person has put into a field: text, lines of it, the words that are ticked, or on and off. */
export type Draft = string | boolean | readonly string[];

/** A value as people read it. */
export function valueText({ value, unit }: Pick<SettingView, 'value' | 'unit'>): string {
  if (value === null || (typeof value === 'object' && value.length === 0)) return NONE;
  if (typeof value === 'number') return unit === 'ms' ? duration(value) : String(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'object' ? value.join(', ') : value;
}

/** What a field shows of the value that counts. */
export function draftOf({ value, unit, kind, choices }: SettingView): Draft {
  if (kind === 'switch') return value === true;
  if (typeof value === 'object' && value !== null) return choices ? value : value.join('\n');
  if (kind === 'list') return choices ? [] : '';
  return typeof value === 'number' && unit === 'ms' ? String(value / 1000) : String(value ?? '');
}

/** What a field means, as it is sent; nothing typed takes the setting back. */
export function meantBy(draft: Draft, { unit, kind }: SettingView): unknown {
  if (typeof draft !== 'string') return draft;
  const text = draft.trim();
  if (kind === 'list')
    return text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  if (text === '') return null;
  const seconds = Number(text);
  return unit === 'ms' && Number.isFinite(seconds) ? Math.round(seconds * 1000) : text;
}

import { basename } from 'node:path';
import type { ConfigRow } from '../config/rows.ts';
import { columnsOf, inColumn, plainText } from './text.ts';

const WIDTHS = { option: 20, mode: 6, value: 28, source: 22 };

/** All options as a table of at most 79 columns; what is longer than its column goes on below. Pure. */
export function configTable(rows: readonly ConfigRow[], file: string, exists: boolean): string {
  const lines = rows.flatMap((row) => {
    const value = folded(valueText(row), WIDTHS.value);
    const source = folded(sourceText(row.source, file), WIDTHS.source);
    return Array.from({ length: Math.max(value.length, source.length) }, (_, at) =>
      line(
        at === 0 ? row.option : '',
        at === 0 && row.mode !== 'both' ? row.mode : '',
        value[at] ?? '',
        source[at] ?? '',
      ),
    );
  });
  const head = plainText(`File: ${file}${exists ? '' : ' (there is none)'}`);
  return [head, '', line('OPTION', 'MODE', 'VALUE', 'SOURCE'), ...lines, ''].join('\n');
}

function line(option: string, mode: string, value: string, source: string): string {
  const cells = [inColumn(option, WIDTHS.option), inColumn(mode, WIDTHS.mode), inColumn(value, WIDTHS.value)];
  return [...cells, inColumn(source, WIDTHS.source)].join(' ').trimEnd();
}

/** A value as people read it: times in the largest unit that has no fraction. Pure. */
export function valueText({ value, unit }: Pick<ConfigRow, 'value' | 'unit'>): string {
  if (value === null) return '-';
  if (typeof value === 'number' && unit === 'ms') return timeText(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'object') return value.length === 0 ? '-' : value.join(', ');
  return String(value);
}

function timeText(ms: number): string {
  if (ms === 0) return '0 s';
  const [size, unit] =
    ms % 3_600_000 === 0 ? [3_600_000, 'h'] : ms % 60_000 === 0 ? [60_000, 'min'] : [1000, 's'];
  return ms % 1000 === 0 ? `${ms / size} ${unit}` : `${ms} ms`;
}

/** The file is named above the table once. */
function sourceText(source: string, file: string): string {
  return source.startsWith(`${file}:`) ? `${basename(file)}${source.slice(file.length)}` : source;
}

/** In lines of a column's width; nothing is left out, so that a path can be put together again. */
function folded(text: string, width: number): readonly string[] {
  const lines: string[] = [''];
  for (const char of plainText(text)) {
    const last = lines.at(-1) ?? '';
    if (columnsOf(last) + columnsOf(char) <= width) lines[lines.length - 1] = last + char;
    else lines.push(char);
  }
  return lines;
}

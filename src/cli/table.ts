import { inColumn } from './text.ts';

/** One column of a table; with a blank between them all widths of a table add up to 79 at most. */
export interface Column<T> {
  readonly title: string;
  readonly width: number;
  readonly align: 'left' | 'right';
  readonly cell: (row: T, width: number) => string;
}

/** The line of titles. Pure. */
export function titleLine<T>(columns: readonly Column<T>[]): string {
  return line(columns, ({ title }) => title);
}

/** One row as a line; whatever is in its cells is printed as plain text, cut to the column. Pure. */
export function rowLine<T>(columns: readonly Column<T>[], row: T): string {
  return line(columns, ({ cell, width }) => cell(row, width));
}

function line<T>(columns: readonly Column<T>[], text: (column: Column<T>) => string): string {
  return columns
    .map((column) => inColumn(text(column), column.width, column.align))
    .join(' ')
    .trimEnd();
}

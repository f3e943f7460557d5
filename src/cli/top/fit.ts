import type { Column } from '../table.ts';

/** A column that gives way, or is left out, where a terminal is narrow. */
export interface FlexColumn<T> extends Omit<Column<T>, 'width'> {
  readonly min: number;
  /** A wider one would only hold more blanks. */
  readonly max: number;
  /** What is left out first has the highest; 0: never. */
  readonly rank: number;
}

/** The columns that fit a width, with a blank between them, as wide as they may be. Pure. */
export function fitColumns<T>(columns: readonly FlexColumn<T>[], width: number): readonly Column<T>[] {
  const leastOf = (some: readonly FlexColumn<T>[]) => some.reduce((sum, { min }) => sum + min + 1, -1);
  let shown = columns;
  while (leastOf(shown) > width) {
    const highest = Math.max(...shown.map(({ rank }) => rank));
    if (highest === 0) break;
    shown = shown.filter(({ rank }) => rank < highest);
  }
  const spare = Math.max(0, width - leastOf(shown));
  const more = shareRows(
    spare,
    shown.map(({ min, max }) => max - min),
  );
  return shown.map(({ title, align, cell, min }, i) => ({ title, align, cell, width: min + (more[i] ?? 0) }));
}

/** Shares `room` among those who want some of it: nobody gets more than it wants, and whoever has least goes first. Pure. */
export function shareRows(room: number, wants: readonly number[]): readonly number[] {
  const given = wants.map(() => 0);
  for (let left = room; left > 0; left -= 1) {
    let next = -1;
    for (const [i, want] of wants.entries()) {
      const has = given[i] ?? 0;
      if (has < want && (next < 0 || has < (given[next] ?? 0))) next = i;
    }
    if (next < 0) break;
    given[next] = (given[next] ?? 0) + 1;
  }
  return given;
}

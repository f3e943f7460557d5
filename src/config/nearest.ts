/** The known word that `word` is most likely a slip of, if any is near enough: at most a third of it wrong. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const typed = word.slice(0, 40).toLowerCase();
  const ranked = known
    .map((candidate) => ({ candidate, slips: slips(typed, candidate) }))
    .sort((a, b) => a.slips - b.slips);
  const best = ranked[0];
  return best && best.slips <= Math.max(1, Math.floor(best.candidate.length / 3))
    ? best.candidate
    : undefined;
}

/** Letters added, dropped, changed, or swapped with a neighbour (optimal string alignment distance). */
function slips(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const here = [row];
    for (let column = 1; column <= b.length; column++) {
      const changed = a[row - 1] === b[column - 1] ? 0 : 1;
      let least = Math.min(
        cell(above, column) + 1,
        cell(here, column - 1) + 1,
        cell(above, column - 1) + changed,
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        least = Math.min(least, cell(before, column - 2) + 1);
      here.push(least);
    }
    before = above;
    above = here;
  }
  return cell(above, b.length);
}

const cell = (line: readonly number[], column: number): number => line[column] ?? Number.POSITIVE_INFINITY;

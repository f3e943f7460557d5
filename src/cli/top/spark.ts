const BARS = '▁▂▃▄▅▆▇█';

/** The last `width` values as bars, the highest of them the tallest; what is above 0 is higher than what is not. Pure. */
export function sparkLine(values: readonly number[], width: number): string {
  const shown = width > 0 ? values.slice(-width) : [];
  const most = Math.max(0, ...shown);
  return shown.map((value) => BARS[value > 0 ? Math.max(1, Math.round((value / most) * 7)) : 0]).join('');
}

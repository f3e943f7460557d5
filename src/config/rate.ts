/** So many in so long. */
export interface Rate {
  readonly count: number;
  readonly perMs: number;
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };
/** A larger number is no limit. */
const MOST = 1_000_000;

/** Reads `60/min`: a whole number and s, min, h or d. Throws RangeError saying what would be right. Pure. */
export function parseRate(text: string): Rate {
  const [, digits = '', unit = ''] = /^(\d{1,7})\s*\/\s*(s|min|h|d)$/.exec(text) ?? [];
  const count = Number(digits);
  const perMs = UNITS[unit];
  if (perMs !== undefined && count >= 1 && count <= MOST) return { count, perMs };
  throw new RangeError('give a rate such as 60/min, 5/s, 1000/h or 5000/d');
}

/** A rate as `parseRate` reads it. Pure. */
export function rateText({ count, perMs }: Rate): string {
  const [unit] = Object.entries(UNITS).find(([, ms]) => ms === perMs) ?? [];
  return `${count}/${unit ?? 'min'}`;
}

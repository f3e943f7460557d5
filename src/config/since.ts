const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * A time in the past: `15m`, `2h`, `7d`, `4w` before `wall` (ms since 1970), or a date or time as ISO 8601 has them.
 * Returns ms since 1970. Throws RangeError saying what would be right. Pure.
 */
export function parseSince(text: string, wall: number): number {
  const [, digits, unit = ''] = /^(\d{1,6}(?:\.\d+)?)([smhdw])$/.exec(text) ?? [];
  if (digits !== undefined) return wall - Number(digits) * (UNIT_MS[unit] ?? 0);
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(at)) return at;
  throw new RangeError(
    'give a time ago such as 15m, 2h or 7d, or a date such as 2026-01-31 or 2026-01-31T12:00',
  );
}

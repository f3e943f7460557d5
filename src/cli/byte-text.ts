const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];

/** A number of bytes in at most seven columns, in powers of 1000 as `ollama list` has it: `4.7 GB`, `271 MB`. Pure. */
export function byteText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.5 would be rounded to four digits.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? value.toFixed(1) : String(Math.min(9999, Math.round(value)));
  return `${digits} ${UNITS[unit]}`;
}

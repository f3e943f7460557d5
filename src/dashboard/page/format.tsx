/** What is not known. */
export const NONE = '–';

/** `12.3 GB`. */
export function bytes(count: number | null | undefined): string {
  if (count === null || count === undefined) return NONE;
  const [size, unit] = count >= 1e12 ? [1e12, 'TB'] : count >= 1e9 ? [1e9, 'GB'] : [1e6, 'MB'];
  return `${(count / size).toFixed(count / size < 100 ? 1 : 0)} ${unit}`;
}

/** `340 ms`, `1.2 s`, `3 min`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

/** `12,345`. */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? NONE : value.toLocaleString('en');
}

/** `12.3 tok/s`. */
export function rate(perS: number | null | undefined): string {
  return perS === null || perS === undefined ? NONE : `${perS.toFixed(perS < 100 ? 1 : 0)} tok/s`;
}

/** `34 %`. */
export function percent(part: number | null | undefined): string {
  return part === null || part === undefined ? NONE : `${Math.round(part * 100)} %`;
}

/** Time of day where the reader is. */
export function clockTime(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8);
}

/** Day and time where the reader is. */
export function dayTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? NONE : `${date.toLocaleDateString('en-CA')} ${clockTime(ms)}`;
}

/** `in the last hour`, `5 h ago`, by the reader's clock; `ms` is when an hour began. */
export function hoursAgo(ms: number | undefined): string {
  if (ms === undefined) return NONE;
  const hours = Math.floor((Date.now() - ms) / 3_600_000);
  if (hours < 2) return hours < 1 ? 'in this hour' : 'in the last hours';
  return hours < 48 ? `${hours} h ago` : `${Math.round(hours / 24)} days ago`;
}

/** `for 3 min`, by the reader's clock. */
export function since(iso: string): string {
  const ms = Date.now() - Date.parse(iso);
  if (!(ms >= 60_000)) return 'just now';
  if (ms < 7_200_000) return `for ${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `for ${Math.round(ms / 3_600_000)} h` : `for ${Math.round(ms / 86_400_000)} days`;
}

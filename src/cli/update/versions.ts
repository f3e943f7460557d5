/** Whether `there` comes after `here`, as semantic versions; undefined where one is none. Build numbers do not count. Pure. */
export function isNewer(there: string, here: string): boolean | undefined {
  const [a, b] = [partsOf(there), partsOf(here)];
  return a && b ? order(a, b) > 0 : undefined;
}

interface Parts {
  readonly numbers: readonly number[];
  /** Words of a version before the release; none for the release itself, which comes after them. */
  readonly before: readonly string[];
}

function partsOf(version: string): Parts | undefined {
  // Longer numbers and words than anybody has; what a registry says is not believed beyond that.
  const [, major, minor, patch, before] =
    /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-([\w.-]{1,100}))?(?:\+[\w.-]{1,100})?$/.exec(version) ?? [];
  if (major === undefined) return undefined;
  return { numbers: [major, minor, patch].map(Number), before: before?.split('.') ?? [] };
}

function order(a: Parts, b: Parts): number {
  const numbers = a.numbers.map((number, i) => number - (b.numbers[i] ?? 0)).find((step) => step !== 0);
  if (numbers !== undefined) return numbers;
  if (a.before.length === 0 || b.before.length === 0) return b.before.length - a.before.length;
  const words = a.before.map((word, i) => orderOfWords(word, b.before[i])).find((step) => step !== 0);
  return words ?? a.before.length - b.before.length;
}

/** Numbers before words, and each among its own. */
function orderOfWords(a: string, b: string | undefined): number {
  if (b === undefined) return 1;
  const [x, y] = [a, b].map((word) => (/^\d+$/.test(word) ? Number(word) : undefined));
  if (x !== undefined && y !== undefined) return x - y;
  if (x !== undefined || y !== undefined) return x !== undefined ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}

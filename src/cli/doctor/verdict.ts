/** What came of one check: `unknown` = it could not be looked at, which is nobody's fault. */
export interface Verdict {
  /** Stable, for programs. */
  readonly id: string;
  readonly status: 'ok' | 'problem' | 'unknown';
  /** What was looked at, in a few words. */
  readonly title: string;
  /** What was seen; other machines' words may be in it. */
  readonly seen: string;
  /** What to do about it, a command a line; what is no command begins with `#`. */
  readonly remedy: readonly string[];
}

/** The text of `seen` and what to do, before it has an id and a title. */
type Told = readonly [seen: string, remedy?: readonly string[]];

/** Makes the verdicts of one check. Pure. */
export function judging(id: string, title: string) {
  const verdict =
    (status: Verdict['status']) =>
    (...[seen, remedy = []]: Told): Verdict => ({ id, status, title, seen, remedy });
  return { ok: verdict('ok'), problem: verdict('problem'), unknown: verdict('unknown') };
}

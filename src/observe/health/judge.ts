import type { Finding, Severity } from './finding.ts';
import type { Check, HealthSnapshot } from './snapshot.ts';

/** Something that is wrong, told. */
export interface Problem extends Finding {
  /** Its check, and what it is about. */
  readonly id: string;
  readonly check: string;
  /** When it was first found, ms since 1970. */
  readonly sinceMs: number;
}

/** What is known of a finding from one look to the next; times are on the clock, but for `sinceMs`. */
interface Case {
  readonly problem: Problem;
  readonly clearMs: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** When it was last as bad as it is told. */
  readonly worstAt: number;
  readonly told: boolean;
}

/** All that is or may be wrong. */
export type Cases = ReadonlyMap<string, Case>;

export const NO_CASES: Cases = new Map();

/** What came of a look. */
export interface Judged {
  readonly cases: Cases;
  readonly began: readonly Problem[];
  readonly ended: readonly Problem[];
}

/** One check tells of the worst of this many; the fleet may have a thousand servers. */
const MAX_FINDINGS = 50;

const RANK: Readonly<Record<Severity, number>> = { info: 0, warning: 1, critical: 2 };

/**
 * Runs the checks at a moment of the clock and says which problems begin and end with it. A finding becomes a problem
 * when it has lasted, and ends when it has been gone for a while; it gets worse at once and better only after as long.
 * Pure.
 */
export function judge(checks: readonly Check[], snapshot: HealthSnapshot, before: Cases): Judged {
  const { nowMs } = snapshot;
  const cases = new Map<string, Case>();
  const began: Problem[] = [];
  const ended: Problem[] = [];
  for (const check of checks) {
    const idOf = (subject: string) => (subject === '' ? check.id : `${check.id}:${subject}`);
    const found = check.find(snapshot, (subject) => before.get(idOf(subject))?.told === true);
    const worst = [...found].sort((a, b) => RANK[b.severity] - RANK[a.severity]).slice(0, MAX_FINDINGS);
    for (const finding of worst) {
      const id = idOf(finding.subject);
      const next = nextCase(
        before.get(id),
        { ...finding, id, check: check.id, sinceMs: snapshot.wallMs },
        check,
        nowMs,
      );
      cases.set(id, next);
      if (next.told && !before.get(id)?.told) began.push(next.problem);
    }
  }
  for (const [id, one] of before) {
    if (cases.has(id)) continue;
    // What was not told yet has not lasted.
    if (one.told && nowMs - one.lastAt < one.clearMs) cases.set(id, one);
    else if (one.told) ended.push(one.problem);
  }
  return { cases, began, ended };
}

function nextCase(before: Case | undefined, problem: Problem, check: Check, nowMs: number): Case {
  const { appearMs, clearMs } = check;
  const firstAt = before?.firstAt ?? nowMs;
  const known = before?.problem.severity ?? problem.severity;
  const isBetter = RANK[problem.severity] < RANK[known];
  const worstAt = isBetter ? (before?.worstAt ?? nowMs) : nowMs;
  const severity = isBetter && nowMs - worstAt < clearMs ? known : problem.severity;
  return {
    problem: { ...problem, severity, sinceMs: before?.problem.sinceMs ?? problem.sinceMs },
    clearMs,
    firstAt,
    lastAt: nowMs,
    worstAt: severity === problem.severity ? nowMs : worstAt,
    told: before?.told === true || nowMs - firstAt >= appearMs,
  };
}

/** The problems that are told, the worst and oldest first. Pure. */
export function problemsOf(cases: Cases): readonly Problem[] {
  const told = [...cases.values()].filter((one) => one.told).map(({ problem }) => problem);
  return told.sort((a, b) => RANK[b.severity] - RANK[a.severity] || a.sinceMs - b.sinceMs);
}

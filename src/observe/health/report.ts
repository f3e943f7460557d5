import type { Severity } from './finding.ts';
import type { Problem } from './judge.ts';

/** What `ollana health --json` prints and `GET /dashboard/api/health` answers. */
export interface HealthReport {
  /** 100: nothing is wrong; see `scoreOf`. */
  readonly score: number;
  /** The worst severity there is. */
  readonly status: 'healthy' | Severity;
  /** Ids of all checks that were made. */
  readonly checks: readonly string[];
  /** When it was looked last, ISO 8601; null before the first look. */
  readonly lookedAt: string | null;
  /** The worst and oldest first. */
  readonly problems: readonly ReportedProblem[];
  /** The same in the shape that readers of ollama-herd's health know. */
  readonly recommendations: readonly Recommendation[];
}

/** A problem as programs read it. */
export interface ReportedProblem extends Omit<Problem, 'subject' | 'sinceMs'> {
  /** ISO 8601. */
  readonly since: string;
}

/** One problem in the words of ollama-herd. */
export interface Recommendation {
  readonly check_id: string;
  readonly severity: Severity;
  readonly title: string;
  readonly description: string;
  readonly fix: string;
  readonly node_id: string | null;
}

const COSTS: Readonly<Record<Severity, number>> = { critical: 30, warning: 10, info: 1 };
/** However much is worth knowing, nothing is the matter. */
const MOST_FOR_INFO = 5;

/** 100 less 30 for each critical problem, 10 for each warning, and 1 for each that is worth knowing, 5 at most; 0 is the least. Pure. */
export function scoreOf(problems: readonly { readonly severity: Severity }[]): number {
  const sum = (wanted: Severity) =>
    problems.filter(({ severity }) => severity === wanted).length * COSTS[wanted];
  return Math.max(0, 100 - sum('critical') - sum('warning') - Math.min(MOST_FOR_INFO, sum('info')));
}

/** The report of these problems, which are sorted. Pure. */
export function healthReport(
  problems: readonly Problem[],
  checks: readonly string[],
  lookedAtMs: number | undefined,
): HealthReport {
  return {
    score: scoreOf(problems),
    status: problems[0]?.severity ?? 'healthy',
    checks,
    lookedAt: lookedAtMs === undefined ? null : new Date(lookedAtMs).toISOString(),
    problems: problems.map(({ subject: _subject, sinceMs, ...problem }) => ({
      ...problem,
      since: new Date(sinceMs).toISOString(),
    })),
    recommendations: problems.map(({ check, severity, title, seen, remedy, deviceId }) => ({
      check_id: check,
      severity,
      title,
      description: seen,
      fix: remedy.on === null ? remedy.command : `on ${remedy.on}: ${remedy.command}`,
      node_id: deviceId ?? null,
    })),
  };
}

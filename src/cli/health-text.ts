import type { HealthReport, ReportedProblem } from '../observe/health/report.ts';
import { plainText, wrap } from './text.ts';

const COLUMNS = 80;
/** What was seen may quote a reason of any length. */
const SEEN_LINES = 4;

/**
 * A daemon's health for a terminal of 80 columns, ending in a line break: the score, then each problem with what was
 * seen, the command against it and when it counts as solved. Commands stand on a line of their own, whole, to be
 * copied. Names are other machines' words: printed as plain text. Pure.
 */
export function healthText({ score, lookedAt, problems, checks }: HealthReport): string {
  if (lookedAt === null) return 'Nothing has been looked at yet: ask again in 5 seconds.\n';
  const head =
    problems.length === 0
      ? `Health ${score} of 100: nothing is wrong, by ${checks.length} checks.`
      : `Health ${score} of 100.`;
  return `${[head, ...problems.flatMap((problem) => ['', ...problemLines(problem)])].join('\n')}\n`;
}

function problemLines({ severity, title, seen, since, remedy, resolvedWhen, id }: ReportedProblem): string[] {
  const line = (text: string) => wrap(plainText(text), COLUMNS - 2).map((one) => `  ${one}`);
  const where = remedy.on === null ? 'here' : `on ${plainText(remedy.on)}`;
  return [
    ...wrap(plainText(`${severity.toUpperCase()}: ${title} (${id.split(':')[0]})`), COLUMNS),
    ...line(`seen: ${seen}`).slice(0, SEEN_LINES),
    ...line(`since ${since}; solved when ${resolvedWhen}`),
    `  ${where}: ${plainText(remedy.command)}`,
  ];
}

/** One line when a problem has begun or ended. Pure. */
export function changeLine(change: 'began' | 'ended', { severity, title, remedy }: ReportedProblem): string {
  if (change === 'ended') return plainText(`solved: ${title}`);
  const where = remedy.on === null ? '' : `on ${remedy.on}: `;
  return plainText(`${severity}: ${title}; ${where}${remedy.command}`);
}

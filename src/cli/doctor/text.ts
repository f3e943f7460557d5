import { plainText, wrap } from '../text.ts';
import type { Verdict } from './verdict.ts';

const COLUMNS = 80;
const MARGIN = '          ';
const MARKS: Readonly<Record<Verdict['status'], string>> = {
  ok: 'ok      ',
  problem: 'PROBLEM ',
  unknown: 'unknown ',
};

/**
 * The verdicts for a terminal of 80 columns, ending in a line break. Commands stand on lines of their own, whole, to be
 * copied. Pure.
 */
export function doctorText(verdicts: readonly Verdict[]): string {
  const problems = verdicts.filter(({ status }) => status === 'problem').length;
  const unknown = verdicts.filter(({ status }) => status === 'unknown').length;
  const rest = unknown === 0 ? '' : `, ${unknown} could not be looked at`;
  const sum =
    problems === 0 ? 'No problem found' : `${problems} ${problems === 1 ? 'problem' : 'problems'} found`;
  const lines = verdicts.flatMap(verdictLines);
  return `${[...lines, '', `${sum}, by ${verdicts.length} checks${rest}.`].join('\n')}\n`;
}

function verdictLines({ status, title, seen, remedy }: Verdict): string[] {
  const [first = '', ...more] = wrap(plainText(`${title}: ${seen}`), COLUMNS - MARGIN.length);
  return [
    `${MARKS[status]}  ${first}`,
    ...more.map((line) => MARGIN + line),
    ...remedy.map((line) => `${MARGIN}  ${plainText(line)}`),
  ];
}

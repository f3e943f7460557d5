import { stripVTControlCharacters } from 'node:util';

/** What must differ between two machines and one, by the command that prints it; all the rest is equal. */
const DIFFERENCES = [
  { command: 'list', column: 'MODIFIED', reason: 'the copies were made at other moments than the reference' },
  { command: 'ps', column: 'UNTIL', reason: 'counts down from when each machine loaded the model' },
  {
    command: 'push',
    column: 'error of a push to ollama.com',
    reason: 'that is for the account of this machine and the laptop has no Ollama; no other one is asked',
  },
] as const;

/**
 * The rows of a table that `ollama list` or `ollama ps` printed, less the columns that must differ, its header
 * first. Rows are sorted, since Ollama orders them by the very columns that are left out.
 */
export function tableOf(command: 'list' | 'ps', text: string): string[] {
  // Cells are set apart by four blanks; a cell such as "2 seconds ago" has single ones.
  const rows = text
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/\s{2,}/));
  const header = rows[0] ?? [];
  const left = DIFFERENCES.filter((one) => one.command === command).map(({ column }) => column as string);
  const kept = (cells: string[]) =>
    cells.filter((_, index) => !left.includes(header[index] ?? '')).join(' | ');
  return [kept(header), ...rows.slice(1).map(kept).sort()];
}

/** Lines without blanks at the end, sorted: Ollama prints the parameters in another order each time. */
export function sortedLines(text: string): string[] {
  return text.split(/\s*\n/).sort();
}

/**
 * What a command said on stderr, in order, each once: without the terminal's control characters, the spinner,
 * and how far a bar has come, which depend on how fast it went. Ports that the kernel chose are left out too.
 */
export function saidOf(stderr: string): string[] {
  const lines = stripVTControlCharacters(stderr)
    .split(/[\r\n]+|(?=gathering )|(?=Error:)/)
    .map((line) => line.replace(/[\u2800-\u28ff]/g, '').replace(/\s+\d+%.*$/, ''))
    .map((line) => line.replace(/(127\.0\.0\.\d+|\d+\.\d+\.\d+\.\d+|\[::1\]):\d+->/g, '$1->').trim());
  return [...new Set(lines)].filter((line) => line !== '');
}

import { createInterface } from 'node:readline';
import { OllanaError } from '../errors.ts';

/**
 * Asks on the terminal whether to go on; true for a typed `yes` or `y` only. Rejects with OLLANA_BAD_OPTION where there
 * is no terminal to ask at, naming `--yes`.
 */
export async function confirmed(question: string, why: string): Promise<boolean> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true)
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      `${why}, and there is no terminal to ask at: give --yes to start`,
    );
  const lines = createInterface({ input: process.stdin, terminal: false });
  process.stderr.write(question);
  try {
    for await (const line of lines) return /^\s*y(es)?\s*$/i.test(line);
    return false;
  } finally {
    lines.close();
  }
}

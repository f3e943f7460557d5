import { nearest } from '../config/nearest.ts';
import { quote } from '../config/pick.ts';
import { OllanaError } from '../errors.ts';
import { bashScript, fishScript, powershellScript, zshScript } from './completion-scripts.ts';
import { COMPLETED, completionTable } from './completion-table.ts';
import { EXIT } from './exit-codes.ts';

const SCRIPTS: Readonly<Record<string, typeof bashScript>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
  powershell: powershellScript,
};

/** Prints the script for a shell. Returns the exit code. Throws OLLANA_BAD_OPTION for a shell that it has none for. */
export function printCompletion([shell, more]: readonly string[]): number {
  const script = shell === undefined || !Object.hasOwn(SCRIPTS, shell) ? undefined : SCRIPTS[shell];
  if (!script) {
    const near = shell === undefined ? undefined : nearest(shell, COMPLETED);
    const wrong = shell === undefined ? 'name a shell' : `no completion for ${quote(shell)}`;
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      `${wrong}: ${near ? `did you mean ${near}?` : `give one of ${COMPLETED.join(', ')}`}`,
    );
  }
  if (more !== undefined) throw new OllanaError('OLLANA_BAD_OPTION', `unexpected argument ${quote(more)}`);
  process.stdout.write(script(completionTable()));
  return EXIT.ok;
}

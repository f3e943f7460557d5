import { writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { Surroundings } from '../../config/surroundings.ts';
import { OllanaError, reasonOf } from '../../errors.ts';
import { safeJson } from '../safe-json.ts';
import { RULES, redacted } from './redact.ts';

/**
 * Writes a report for whoever is to help, redacted, mode 0600, as JSON. Throws OLLANA_BAD_OPTION for a file that is
 * there already, or that cannot be written.
 */
export function writeBundle(
  path: string,
  report: Readonly<Record<string, unknown>>,
  { homedir, hostname }: Surroundings,
  names: readonly string[],
): void {
  const who = { home: homedir, user: userName(), hostname, names: [...new Set(names)] };
  const text = safeJson({ rules: RULES, ...(redacted(report, who) as object) });
  try {
    // Never through a link that someone laid there, never over another's file.
    writeFileSync(path, `${text}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST';
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      isThere
        ? `${path} is there already and stays as it is: give another --bundle FILE`
        : `cannot write ${path} (${reasonOf(error)}): give another --bundle FILE`,
      { cause: error },
    );
  }
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without a name, as in containers.
    return '';
  }
}

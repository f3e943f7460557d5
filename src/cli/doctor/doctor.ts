import type { Told } from '../../config/file.ts';
import { VERSION } from '../../config/version.ts';
import { EXIT } from '../exit-codes.ts';
import { safeJson } from '../safe-json.ts';
import { plainText } from '../text.ts';
import { writeBundle } from './bundle.ts';
import { examine } from './look.ts';
import { doctorText } from './text.ts';

/** How the verdicts are told. */
export interface DoctorOrder {
  readonly json: boolean;
  /** Absolute path of the report to write; undefined: none. */
  readonly bundle: string | undefined;
}

/**
 * Runs `ollana doctor`: looks, prints the verdicts, writes the report if one is wanted. Returns the exit code: 1 where
 * there is a problem. Throws OLLANA_BAD_OPTION.
 */
export async function doctor(told: Told, { json, bundle }: DoctorOrder): Promise<number> {
  const { verdicts, daemon, networks } = await examine(told);
  const problems = verdicts.filter(({ status }) => status === 'problem').length;
  const about = { ollana: VERSION, node: process.version, platform: process.platform, arch: process.arch };
  const report = { ...about, problems, checks: verdicts };
  if (bundle !== undefined)
    writeBundle(
      bundle,
      { ...report, networks, status: daemon.status ?? null, health: daemon.health ?? null },
      told,
      (daemon.status?.servers ?? []).map(({ name }) => name),
    );
  process.stdout.write(json ? `${safeJson(report)}\n` : doctorText(verdicts));
  if (bundle !== undefined && !json)
    process.stdout.write(
      `Report for a bug, redacted; look through it before you send it:\n  ${plainText(bundle)}\n`,
    );
  return problems === 0 ? EXIT.ok : EXIT.failed;
}

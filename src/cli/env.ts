import type { ShellName } from '../config/options/asking.ts';
import type { Surroundings } from '../config/surroundings.ts';
import { theDaemon } from './daemon-request.ts';
import { appVariables, envText, shellOf } from './env-values.ts';
import { EXIT } from './exit-codes.ts';

/**
 * Prints what leads the apps of a shell to the running ollana of a data directory. Returns the exit code. Throws
 * OLLANA_NOT_RUNNING.
 */
export function printEnv(
  dataDir: string,
  { env, platform }: Pick<Surroundings, 'env' | 'platform'>,
  shell: ShellName = shellOf(env, platform),
): number {
  process.stdout.write(envText(appVariables(theDaemon(dataDir).url, env), shell));
  return EXIT.ok;
}

import { option } from '../option.ts';
import { parseSwitch } from '../values.ts';

/** A switch of `ollana service`. */
const choice = (flag: string, env: string, help: string) =>
  option({ flag, env, kind: 'switch', parse: parseSwitch, fallback: 'false', help, commands: ['service'] });

/** What `ollana service` is told. */
export const SERVICE_OPTIONS = Object.freeze({
  forUser: choice('user', 'OLLANA_USER', 'for you alone, without root; else for the machine'),
  asServe: choice('serve', 'OLLANA_SERVE', 'server mode; what it is without --user'),
  asClient: choice('client', 'OLLANA_CLIENT', 'client mode; what it is with --user'),
  dryRun: choice('dry-run', 'OLLANA_DRY_RUN', 'only print the files and commands'),
});

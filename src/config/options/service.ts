import { option } from '../option.ts';
import { parseSwitch } from '../values.ts';

/** A switch of `ollana service`. */
const choice = (flag: string, env: string, help: string) =>
  option({ flag, env, kind: 'switch', parse: parseSwitch, fallback: 'false', help, commands: ['service'] });

/** What `ollana service` and `ollana update` are told. */
export const SERVICE_OPTIONS = Object.freeze({
  forUser: choice('user', 'OLLANA_USER', 'for you alone, without root; else for the machine'),
  asServe: choice('serve', 'OLLANA_SERVE', 'server mode; what it is without --user'),
  asClient: choice('client', 'OLLANA_CLIENT', 'client mode; what it is with --user'),
  check: option({
    flag: 'check',
    env: 'OLLANA_CHECK',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'ask the npm registry (npm_config_registry) once, and say how to have what is newer',
    commands: ['update'],
  }),
  dryRun: choice('dry-run', 'OLLANA_DRY_RUN', 'only print the files and commands'),
});

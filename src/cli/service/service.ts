import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { nearest } from '../../config/nearest.ts';
import { OPTIONS } from '../../config/options.ts';
import { pick, quote, type Sources } from '../../config/pick.ts';
import type { Surroundings } from '../../config/surroundings.ts';
import { OllanaError } from '../../errors.ts';
import { packageFile } from '../../package-files.ts';
import { EXIT } from '../exit-codes.ts';
import { carryOutPlan, shownPlan } from './act.ts';
import { type ServicePlan, type ServiceSpec, servicePlan } from './plan.ts';
import { programOf, running } from './program.ts';

/** What `ollana service` can be told. */
export const SERVICE_ACTIONS = ['install', 'uninstall', 'status', 'logs'] as const;
export type ServiceAction = (typeof SERVICE_ACTIONS)[number];

type Told = Surroundings & Sources;

/**
 * Runs `ollana service ACTION` and returns the exit code: 4 for the status of one that does not run. Throws
 * OLLANA_BAD_OPTION and OLLANA_START_FAILED.
 */
export async function serviceAction(words: readonly string[], told: Told): Promise<number> {
  const [word, more] = words;
  const action = SERVICE_ACTIONS.find((known) => known === word);
  if (!action) {
    const near = word === undefined ? undefined : nearest(word, SERVICE_ACTIONS);
    const hint = near ? `did you mean ${near}?` : `give one of ${SERVICE_ACTIONS.join(', ')}`;
    const what = word === undefined ? 'no action is given' : `unknown action ${quote(word)}`;
    throw new OllanaError('OLLANA_BAD_OPTION', `${what}: ${hint}`);
  }
  if (more !== undefined) throw new OllanaError('OLLANA_BAD_OPTION', `unexpected argument ${quote(more)}`);
  const isUser = pick(OPTIONS.forUser, told);
  const isDry = pick(OPTIONS.dryRun, told);
  const spec = specOf(told, isUser, action);
  const plan = servicePlan(spec, told);
  if (!plan)
    throw new OllanaError(
      'OLLANA_START_FAILED',
      `no service manager of ${told.platform} is known here: start \`ollana -d\` by what your system starts with`,
    );
  if (isDry) {
    process.stdout.write(shownPlan(action, plan));
    return EXIT.ok;
  }
  refuseUnfit(action, spec, told, plan);
  return carryOutPlan(action, plan, { env: told.env, again: againText(spec) });
}

function specOf(told: Told, isUser: boolean, action: ServiceAction): ServiceSpec {
  const [serve, client] = [pick(OPTIONS.asServe, told), pick(OPTIONS.asClient, told)];
  if (serve && client)
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      '--serve and --client do not go together: install one, then the other',
    );
  return {
    mode: serve || (!client && !isUser) ? 'serve' : 'client',
    isUser,
    program: programOf(running()),
    user: told.env.SUDO_USER || userName(),
    unit: action === 'install' && told.platform === 'linux' && !isUser ? packagedUnit() : '',
  };
}

function packagedUnit(): string {
  try {
    return readFileSync(packageFile('ollana.service'), 'utf8');
  } catch (error) {
    throw new OllanaError(
      'OLLANA_START_FAILED',
      'the unit that comes with ollana is missing: install ollana by npm, or give --user',
      { cause: error },
    );
  }
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'root'; // A user id without a name, as in containers.
  }
}

/** What would fail, or run what is soon gone, is said before anything is changed. */
function refuseUnfit(
  action: ServiceAction,
  { isUser, program }: ServiceSpec,
  { platform, uid }: Told,
  { file }: ServicePlan,
): void {
  const failed = (message: string) => new OllanaError('OLLANA_START_FAILED', message);
  const changes = action === 'install' || action === 'uninstall';
  if (changes && !isUser && platform !== 'win32' && uid !== 0)
    throw failed(`only root may change ${file.path}: type it with sudo, or give --user`);
  if (action !== 'install') return;
  if (program.some((path) => /[\\/]_npx[\\/]/.test(path)))
    throw failed('npx removes what it runs: type `npm install -g ollana` first');
  // ProtectHome= and PrivateTmp= of the unit hide them.
  const hidden = program.find((path) => /^\/(home|root|tmp|var\/tmp)\//.test(path));
  if (platform === 'linux' && !isUser && hidden !== undefined)
    throw failed(
      `a service of the machine does not see ${hidden}: install Node and ollana for all users, or give --user`,
    );
}

/** The flags that name the same service once more. */
function againText({ isUser, mode }: ServiceSpec): string {
  const usual = isUser ? 'client' : 'serve';
  return `${isUser ? ' --user' : ''}${mode === usual ? '' : ` --${mode}`}`;
}

import { realpathSync } from 'node:fs';
import { OPTIONS } from '../../config/options.ts';
import { pick, quote, type Sources } from '../../config/pick.ts';
import type { Surroundings } from '../../config/surroundings.ts';
import { VERSION } from '../../config/version.ts';
import { OllanaError, reasonOf } from '../../errors.ts';
import { EXIT } from '../exit-codes.ts';
import { getSmall } from '../get-small.ts';
import { running } from '../service/program.ts';
import { plainText } from '../text.ts';
import { howInstalled, howToUpdate } from './installed.ts';
import { isNewer } from './versions.ts';

/** Where npm looks when it is told nothing. */
const NPM_REGISTRY = 'https://registry.npmjs.org/';
/** A person waits for it, ms. */
const LIMIT_MS = 5000;

/**
 * Runs `ollana update --check`: asks the registry once for the newest version and says how to have it; changes nothing.
 * Returns the exit code. Throws OLLANA_BAD_OPTION without --check and for a registry that is no URL, and
 * OLLANA_DIAL_FAILED or OLLANA_UPSTREAM_FAILED where the registry cannot be asked or does not say.
 */
export async function updateAction(told: Surroundings & Sources): Promise<number> {
  if (!pick(OPTIONS.check, told))
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      'ollana does not update itself: `ollana update --check` asks the npm registry for the newest version, and says how to have it',
    );
  const newest = await newestVersion(latestUrl(told.env));
  const { isSingle, script } = running();
  const installed = howInstalled({ isSingle, script: script && realpathSync(script) });
  const text = isNewer(newest, VERSION)
    ? `ollana ${newest} is there, this is ${VERSION}\nto have it: ${howToUpdate(installed, newest)}`
    : `ollana ${VERSION} is the newest there is`;
  process.stdout.write(`${text}\n`);
  return EXIT.ok;
}

/** The page of the newest version at the registry that npm is told to use. Throws OLLANA_BAD_OPTION. Pure. */
export function latestUrl(env: Surroundings['env']): string {
  const [name, registry = NPM_REGISTRY] = Object.entries(env).find(
    ([key, value]) => key.toLowerCase() === 'npm_config_registry' && value,
  ) ?? ['', NPM_REGISTRY];
  const base = registry.endsWith('/') ? registry : `${registry}/`;
  const url = URL.canParse('ollana/latest', base) ? new URL('ollana/latest', base) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      `${name}: ${quote(registry)} is no address of a registry: give one with https://`,
    );
  return url.href;
}

async function newestVersion(url: string): Promise<string> {
  const { origin } = new URL(url);
  const answer = await getSmall(url, LIMIT_MS).catch((error: unknown) => {
    const late = error instanceof Error && ['TimeoutError', 'AbortError'].includes(error.name);
    const why = late ? `no answer within ${LIMIT_MS / 1000} s` : reasonOf(error);
    throw new OllanaError(
      'OLLANA_DIAL_FAILED',
      `cannot ask ${origin} for the newest version (${why}): is this machine online? npm_config_registry names another registry`,
      { cause: error },
    );
  });
  const failed = (what: string) =>
    new OllanaError(
      'OLLANA_UPSTREAM_FAILED',
      `${origin} ${what}: npm_config_registry names another registry`,
    );
  if (answer.status === 404) throw failed('has no package called ollana');
  if (answer.status !== 200) throw failed(`answered ${answer.status}`);
  const version = versionIn(answer.body);
  if (isNewer(version, VERSION) === undefined)
    throw failed(`did not say a version (${plainText(answer.body.slice(0, 80))})`);
  return version;
}

/** Empty where there is none. */
function versionIn(json: string): string {
  try {
    const { version } = JSON.parse(json) as { version?: unknown };
    return typeof version === 'string' ? version : '';
  } catch {
    return '';
  }
}

import { OllanaError } from '../errors.ts';
import { type Fetched, type FetchOptions, fetchSmall } from '../ollama/client.ts';
import { agentTo } from '../security/path-agent.ts';
import type { ShownIds } from '../security/shown-id.ts';
import { hasVersion, isFromOldOllana, parseObject } from './answers.ts';

/** Where an ollana 0.5 or 0.6 says whether the caller may use it. */
export const AUTHORIZE_PATH = '/ollana/api/authorize';
/** By which such a one knows its callers; every request carries it. */
export const ID_HEADER = 'X-Ollana-Device-Id';
/** How it refuses those that its owner has not allowed (proxy.rs). Its Ollama's own answers never have this type. */
const REFUSED_TYPE = 'text/plan';
/** What it says then. */
export const REFUSED_TEXT = 'Device is not authorized';

export interface MeetOptions extends FetchOptions {
  /** Makes the id to show; absent: whoever must be shown one is not used. */
  readonly shownIds?: ShownIds | undefined;
}

/** A server that was met, known by the SHA-256 of its certificate. */
export interface Met {
  readonly deviceId: string;
  /** What it is shown of us; absent where it asks nobody who he is. */
  readonly shownId?: string;
}

/** A server and what it is shown of us. */
export interface ShownTo {
  /** Base URL. */
  readonly url: string;
  readonly shownId?: string | undefined;
}

/**
 * Finds out whether the ollana in Rust that speaks TLS is at an `http:` address: 0.4, or 0.5 and 0.6, which serve those
 * only that their owner has allowed. Any certificate will do at first, unless `expected` names it; from then on it must
 * be that one. Resolves with undefined when nobody speaks TLS there. Rejects with OLLANA_NOT_ALLOWED, and what to type
 * on that machine, while we are not allowed; with OLLANA_UPSTREAM_FAILED when it is somebody else.
 *
 * The id that is shown is for this certificate alone, see `shownIds`.
 */
export async function meetRustServer(
  url: string,
  options: MeetOptions,
  expected?: string,
): Promise<Met | undefined> {
  const first = await ask(url, { ...options, agent: agentTo(expected) }).catch(() => undefined);
  const deviceId = first?.deviceId;
  if (!first || deviceId === undefined) return undefined;
  const again = { ...options, agent: agentTo(deviceId) };
  if (isRefusal(first)) {
    const shownId = options.shownIds?.(deviceId);
    if (shownId === undefined) throw notAllowed(url, undefined);
    await checkAllowed({ url, shownId }, { ...again, headers: shownHeaders(shownId) });
    return { deviceId, shownId };
  }
  const version = await fetchSmall(`${url}/api/version`, again).catch(() => undefined);
  if (version && isFromOldOllana(version) && hasVersion(version.body)) return { deviceId };
  throw new OllanaError(
    'OLLANA_UPSTREAM_FAILED',
    `what answers at ${url} speaks TLS only; if you know it, name it by an https:// URL`,
  );
}

/** What requests carry to a server that is shown an id. Pure. */
export function shownHeaders(shownId: string | undefined): Readonly<Record<string, string>> {
  return shownId === undefined ? {} : { [ID_HEADER]: shownId };
}

/**
 * Asks a server that knows its callers by an id whether it still knows us; nothing to ask where it does not. Rejects
 * with OLLANA_NOT_ALLOWED if not, with the codes of `fetchSmall`, and with OLLANA_UPSTREAM_FAILED for another answer.
 */
export async function checkAllowed({ url, shownId }: ShownTo, options: FetchOptions): Promise<void> {
  if (shownId === undefined) return;
  const answer = await ask(url, options);
  if (isRefusal(answer)) throw notAllowed(url, shownId);
  const id = parseObject(answer.body)?.device_id;
  if (answer.status === 200 && typeof id === 'string') return;
  throw new OllanaError('OLLANA_UPSTREAM_FAILED', `it answers ${answer.status} to POST ${AUTHORIZE_PATH}`);
}

/** Why a server has refused a request, if that was because its owner has not allowed us. Pure. */
export function whyRefused(
  { url, shownId }: ShownTo,
  status: number,
  contentType: string,
): string | undefined {
  if (shownId === undefined || status !== 401 || contentType !== REFUSED_TYPE) return undefined;
  return notAllowed(url, shownId).message;
}

function ask(url: string, options: FetchOptions): Promise<Fetched> {
  return fetchSmall(url + AUTHORIZE_PATH, { ...options, method: 'POST' });
}

function isRefusal({ status, body }: Fetched): boolean {
  return status === 401 && body.toString('utf8').trim() === REFUSED_TEXT;
}

function notAllowed(url: string, id: string | undefined): OllanaError {
  // The remedy comes first: of a long reason tables show the beginning.
  const remedy =
    id === undefined
      ? 'with ollana running here, `ollana status` says what to type on that machine'
      : `type \`ollana device allow ${id}\` on that machine and restart its ollana`;
  return new OllanaError(
    'OLLANA_NOT_ALLOWED',
    `${remedy}: ${url} is an ollana 0.5 or 0.6 (Rust) that serves only devices its owner has allowed`,
  );
}

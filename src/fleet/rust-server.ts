import { OllanaError } from '../errors.ts';
import { type Fetched, type FetchOptions, fetchSmall } from '../ollama/client.ts';
import { type Dial, type Pin, pinOf, secureUrl } from '../security/pin.ts';
import type { ShownIds } from '../security/shown-id.ts';
import { hasVersion, isFromOldOllana, parseObject } from './answers.ts';

/** Where an ollana 0.5 or 0.6 says whether the caller may use it. */
export const AUTHORIZE_PATH = '/ollana/api/authorize';
/** By which such a one knows its callers; every request carries it. */
const ID_HEADER = 'X-Ollana-Device-Id';
/** How it refuses those that its owner has not allowed (proxy.rs). Its Ollama's own answers never have this type. */
const REFUSED_TYPE = 'text/plan';
/** What it says then. */
export const REFUSED_TEXT = 'Device is not authorized';

export interface MeetOptions extends FetchOptions {
  /** Makes the id to show; absent: whoever must be shown one is not used. */
  readonly shownIds?: ShownIds | undefined;
}

/**
 * Finds out whether the ollana in Rust that speaks TLS is at a plain-HTTP address: 0.4, or 0.5 and 0.6, which serve
 * those only that their owner has allowed. Resolves with its pin, by which it is dialled from then on, or with
 * undefined when nobody speaks TLS there. Rejects with OLLANA_NOT_ALLOWED, and what to type on that machine, while we
 * are not allowed; with OLLANA_UPSTREAM_FAILED when it is somebody else.
 *
 * Any certificate will do at first. The id that is shown then is for this certificate alone, see `shownIds`.
 */
export async function meetRustServer(url: string, options: MeetOptions): Promise<Pin | undefined> {
  const first = await ask(url, { ...options, anyCertificate: true }).catch(() => undefined);
  if (!first?.certificate) return undefined;
  const stranger = pinOf(first.certificate);
  if (isRefusal(first)) {
    const id = options.shownIds?.(stranger.sha256);
    if (id === undefined) throw notAllowed(url, undefined);
    const pin = pinOf(first.certificate, { [ID_HEADER]: id });
    await checkAllowed({ url, pin }, options);
    return pin;
  }
  const version = await fetchSmall(`${url}/api/version`, { ...options, pin: stranger }).catch(
    () => undefined,
  );
  if (version && isFromOldOllana(version) && hasVersion(version.body)) return stranger;
  throw new OllanaError(
    'OLLANA_UPSTREAM_FAILED',
    `what answers at ${url} speaks TLS only; if you know it, name it by an https:// URL`,
  );
}

/**
 * Asks a server that knows its callers by an id whether it still knows us; nothing to ask where it does not. Rejects
 * with OLLANA_NOT_ALLOWED if not, with the codes of `fetchSmall`, and with OLLANA_UPSTREAM_FAILED for another answer.
 */
export async function checkAllowed({ url, pin }: Dial, options: FetchOptions): Promise<void> {
  if (pin?.headers[ID_HEADER] === undefined) return;
  const answer = await ask(url, { ...options, pin });
  if (isRefusal(answer)) throw notAllowed(url, pin);
  const id = parseObject(answer.body)?.device_id;
  if (answer.status === 200 && typeof id === 'string') return;
  throw new OllanaError('OLLANA_UPSTREAM_FAILED', `it answers ${answer.status} to POST ${AUTHORIZE_PATH}`);
}

/** Why a server has refused a request, if that was because its owner has not allowed us. Pure. */
export function whyRefused({ url, pin }: Dial, status: number, contentType: string): string | undefined {
  if (pin === undefined || status !== 401 || contentType !== REFUSED_TYPE) return undefined;
  return notAllowed(url, pin).message;
}

function ask(url: string, options: FetchOptions): Promise<Fetched> {
  return fetchSmall(secureUrl(url) + AUTHORIZE_PATH, { ...options, method: 'POST' });
}

function isRefusal({ status, body }: Fetched): boolean {
  return status === 401 && body.toString('utf8').trim() === REFUSED_TEXT;
}

function notAllowed(url: string, pin: Pin | undefined): OllanaError {
  const id = pin?.headers[ID_HEADER];
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

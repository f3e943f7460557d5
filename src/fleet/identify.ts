import { createHash } from 'node:crypto';
import { cleanName } from '../discovery/wire.ts';
import { OllanaError } from '../errors.ts';
import { type Fetched, type FetchOptions, fetchSmall } from '../ollama/client.ts';

/** What stands behind an address. */
export interface Identity {
  readonly deviceId: string;
  /** `ollana` = a server-mode ollana, `ollama` = a plain Ollama (or an ollana too old to say more). */
  readonly kind: 'ollana' | 'ollama';
  /** What the server calls itself; a plain Ollama has no name. */
  readonly name?: string;
  /** It tells by itself what changes there, see feed-reader.ts. */
  readonly watch?: boolean;
}

/** Path under which an ollana says who it is; a plain Ollama answers 404 there. */
export const HELLO_PATH = '/ollana/api/hello';

/** A DeviceId on the wire: 64 lower-case hex digits. */
const DEVICE_ID = /^[0-9a-f]{64}$/;

/**
 * The key of a server that has no identity of its own: it is known by its address, and says so.
 */
export function deviceIdOfUrl(url: string): string {
  return createHash('sha256').update(`plain ${url}`).digest('hex');
}

/** Where an ollana 0.5 or 0.6 tells who may use it; it asks for the caller's id, which no stranger is told. */
const AUTHORIZE_PATH = '/ollana/api/authorize';

/** What answers of an ollana 0.1 to 0.6 have for a Content-Type: they pass no header on. */
const LOST_TYPES: ReadonlySet<string> = new Set(['', 'application/octet-stream']);

/** Where the client mode of those listens; it is not to be had at any other address. */
const OLD_CLIENT = /^http:\/\/(127\.[\d.]+|localhost|\[::1\]):11434$/;

/**
 * Asks an address who it is. An ollana 0.1 to 0.3 is used like the Ollama behind it. Rejects with the codes of
 * `fetchSmall` when nobody answers there, and with `OLLANA_UPSTREAM_FAILED` when what answers is neither a server-mode
 * ollana nor an Ollama, or is one of the ollanas that speak TLS only.
 */
export async function identify(url: string, options: FetchOptions): Promise<Identity> {
  const hello = await fetchSmall(url + HELLO_PATH, options).catch(async (error: unknown) => {
    throw (await whyOnlyTls(url, options, error)) ?? error;
  });
  // An old ollana in client mode passes on what a server says of itself, and is not that server.
  const said = hello.status === 200 && isJson(hello) ? readHello(hello.body) : undefined;
  if (said?.mode === 'client') {
    throw new OllanaError('OLLANA_UPSTREAM_FAILED', `${url} is an ollana in client mode, not a server`);
  }
  if (said) {
    const { deviceId, name, watch } = said;
    return { deviceId, kind: 'ollana', watch, ...(name && { name }) };
  }
  const version = await fetchSmall(`${url}/api/version`, options);
  if (!hasVersion(version.body)) {
    throw new OllanaError(
      'OLLANA_UPSTREAM_FAILED',
      `what answers at ${url} is not an Ollama (GET /api/version: ${version.status})`,
    );
  }
  // Old ollana clients on 11434 pass Ollama's body on but lose its Content-Type; taking one for an Ollama
  // would send requests in a circle. Old servers lose it, too, and have nobody else to send a request to.
  if (!isJson(version) && (OLD_CLIENT.test(url) || !LOST_TYPES.has(version.contentType))) {
    throw new OllanaError(
      'OLLANA_UPSTREAM_FAILED',
      `what answers at ${url} is another proxy, not an Ollama (no JSON Content-Type)`,
    );
  }
  return { deviceId: deviceIdOfUrl(url), kind: 'ollama' };
}

/**
 * What to tell of a plain-HTTP address that has answered something else, if it speaks TLS; undefined if it does not.
 * Any certificate will do to see who is there, and proves nothing: nothing is told to whoever it is, and no request
 * goes there.
 */
async function whyOnlyTls(
  url: string,
  options: FetchOptions,
  error: unknown,
): Promise<OllanaError | undefined> {
  const isOther = error instanceof OllanaError && error.code === 'OLLANA_UPSTREAM_FAILED';
  if (!isOther || !url.startsWith('http:') || options.signal?.aborted) return undefined;
  const secure = `https:${url.slice('http:'.length)}`;
  const ask = (path: string, method: string) =>
    fetchSmall(secure + path, { ...options, method, anyCertificate: true }).catch(() => undefined);
  const authorize = await ask(AUTHORIZE_PATH, 'POST');
  if (!authorize) return undefined;
  const version = await ask('/api/version', 'GET');
  const isOld = version !== undefined && hasVersion(version.body) && LOST_TYPES.has(version.contentType);
  const who = !isOld
    ? `what answers at ${url} speaks TLS only; if you know it, name it by an https:// URL`
    : authorize.status === 401
      ? `${url} is an ollana 0.5 or 0.6 (Rust) that serves paired devices only; run this ollana there`
      : `${url} is an ollana 0.4 (Rust) that speaks TLS only; run this ollana there`;
  return new OllanaError('OLLANA_UPSTREAM_FAILED', who, { cause: error });
}

function isJson({ contentType }: Fetched): boolean {
  return contentType.startsWith('application/json');
}

interface Hello {
  readonly mode: string;
  readonly deviceId: string;
  readonly name: string;
  readonly watch: boolean;
}

function readHello(body: Buffer): Hello | undefined {
  const value = parse(body);
  const { mode, deviceId, name, watch } = value ?? {};
  if (typeof deviceId !== 'string' || !DEVICE_ID.test(deviceId) || typeof mode !== 'string') return undefined;
  return { mode, deviceId, name: typeof name === 'string' ? cleanName(name) : '', watch: watch === true };
}

function hasVersion(body: Buffer): boolean {
  return typeof parse(body)?.version === 'string';
}

function parse(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // Not JSON, so not what we asked for; the caller says so.
  }
}

import { createHash } from 'node:crypto';
import { cleanName } from '../discovery/wire.ts';
import { OllanaError } from '../errors.ts';
import { type Fetched, fetchSmall } from '../ollama/client.ts';
import { Stranger } from '../security/dialer.ts';
import { DEVICE_ID } from '../security/identity.ts';
import { ERROR_HEADER, hasVersion, isFromOldOllana, parseObject } from './answers.ts';
import { type MeetOptions, type Met, meetRustServer } from './rust-server.ts';

/** What stands behind an address. */
export interface Identity {
  readonly deviceId: string;
  /** `ollana` = a server-mode ollana, `ollama` = a plain Ollama (or an ollana too old to say more). */
  readonly kind: 'ollana' | 'ollama';
  /** What the server calls itself; a plain Ollama has no name. */
  readonly name?: string;
  /** It tells by itself what changes there, see feed-reader.ts. */
  readonly watch?: boolean;
  /** It has shown by its key that the id is its own. */
  readonly proven?: boolean;
  /** What it is shown of us: it is an ollana in Rust that asks its callers who they are. */
  readonly shownId?: string;
}

/** Path under which an ollana says who it is; a plain Ollama answers 404 there. */
export const HELLO_PATH = '/ollana/api/hello';

/**
 * The key of a server that has no identity of its own: it is known by its address, and says so.
 */
export function deviceIdOfUrl(url: string): string {
  return createHash('sha256').update(`plain ${url}`).digest('hex');
}

/** Where the client mode of an ollana 0.1 to 0.6 listens; it is not to be had at any other address. */
const OLD_CLIENT = /^http:\/\/(127\.[\d.]+|localhost|\[::1\]):11434$/;

/**
 * Asks an address who it is, over connections that `options.agent` makes; an ollana 0.1 to 0.6 is used like the Ollama
 * behind it. Rejects with the codes of `fetchSmall` when nobody answers there, with `OLLANA_UPSTREAM_FAILED` when what
 * answers is neither a server-mode ollana nor an Ollama, with `OLLANA_NOT_PAIRED` when it serves paired devices only or
 * is none that we use, and with `OLLANA_NOT_ALLOWED` when it is an ollana in Rust that does not serve us.
 */
export async function identify(url: string, options: MeetOptions): Promise<Identity> {
  let hello: Fetched;
  try {
    hello = await fetchSmall(url + HELLO_PATH, options);
  } catch (error) {
    const isOther = error instanceof OllanaError && error.code === 'OLLANA_UPSTREAM_FAILED';
    const mayBeMet = url.startsWith('http:') && !options.agent?.closed && !options.signal?.aborted;
    const met = isOther && mayBeMet ? await meetRustServer(url, options) : undefined;
    if (met) return inRust(met);
    throw notPaired(url, error) ?? error;
  }
  const isOurs = hello.headers[ERROR_HEADER] !== undefined;
  if (isOurs && hello.status === 403 && hello.headers[ERROR_HEADER] === 'OLLANA_NOT_PAIRED')
    throw strangerAt(url);
  // An old ollana in client mode passes on what a server says of itself, and is not that server.
  const said = hello.status === 200 && isJson(hello) ? readHello(hello.body) : undefined;
  if (said?.mode === 'client') {
    throw new OllanaError('OLLANA_UPSTREAM_FAILED', `${url} is an ollana in client mode, not a server`);
  }
  if (said) {
    const { deviceId, name, watch } = said;
    const proven = hello.deviceId;
    if (proven !== undefined && proven !== deviceId)
      throw new OllanaError('OLLANA_NOT_PAIRED', `${url} says that it is a device which it is not`);
    return { deviceId, kind: 'ollana', watch, ...(proven && { proven: true }), ...(name && { name }) };
  }
  // By its certificate it is one that the user has allowed, and it is none of ours.
  const met = hello.deviceId !== undefined && !isOurs && (await meetRustServer(url, options, hello.deviceId));
  if (met) return inRust(met);
  const version = await fetchSmall(`${url}/api/version`, options);
  if (!hasVersion(version.body)) {
    throw new OllanaError(
      'OLLANA_UPSTREAM_FAILED',
      `what answers at ${url} is not an Ollama (GET /api/version: ${version.status})`,
    );
  }
  // Old ollana clients on 11434 pass Ollama's body on but lose its Content-Type; taking one for an Ollama
  // would send requests in a circle. Old servers lose it, too, and have nobody else to send a request to.
  if (!isJson(version) && (OLD_CLIENT.test(url) || !isFromOldOllana(version))) {
    throw new OllanaError(
      'OLLANA_UPSTREAM_FAILED',
      `what answers at ${url} is another proxy, not an Ollama (no JSON Content-Type)`,
    );
  }
  return { deviceId: deviceIdOfUrl(url), kind: 'ollama' };
}

function inRust(met: Met): Identity {
  return { ...met, kind: 'ollama', proven: true };
}

/** What to tell of an address where nobody is used because it is not paired; undefined for another error. */
function notPaired(url: string, error: unknown): OllanaError | undefined {
  if (!(error instanceof OllanaError)) return undefined;
  if (error.code === 'OLLANA_NOT_PAIRED') return strangerAt(url, error);
  // Of those that are dialled by TLS, who speaks none is no ollana, or an old one.
  const { code } = (error.cause ?? {}) as { code?: unknown };
  if (!url.startsWith('http:') || !/^(EPROTO|ERR_SSL_.*)$/.test(String(code))) return undefined;
  return new OllanaError(
    'OLLANA_NOT_PAIRED',
    `found, not paired: what answers at ${url} cannot be, it speaks plain HTTP only; run \`ollana serve\` there`,
    { cause: error },
  );
}

/** What the ollana in Rust calls itself in its certificate; one of ours that has taken it over does, too. */
const RUST_NAME = 'rcgen self signed cert';

/** The remedy comes first: of a long reason tables show the beginning. */
function strangerAt(url: string, cause?: unknown): OllanaError {
  const peer = cause instanceof Stranger ? cause.peer : undefined;
  const remedy =
    peer?.called === RUST_NAME
      ? `type \`ollana device allow ${peer.deviceId}\` here if you trust it all the same: it seems to be an ollana 0.4 to 0.6 (Rust), which cannot be paired`
      : `type \`ollana device pair ${url}\``;
  return new OllanaError('OLLANA_NOT_PAIRED', `found, not paired: ${remedy}`, { cause });
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
  const value = parseObject(body);
  const { mode, deviceId, name, watch } = value ?? {};
  if (typeof deviceId !== 'string' || !DEVICE_ID.test(deviceId) || typeof mode !== 'string') return undefined;
  return { mode, deviceId, name: typeof name === 'string' ? cleanName(name) : '', watch: watch === true };
}

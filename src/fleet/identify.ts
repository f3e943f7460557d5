import { createHash } from 'node:crypto';
import { cleanName } from '../discovery/wire.ts';
import { OllanaError } from '../errors.ts';
import { type Fetched, fetchSmall } from '../ollama/client.ts';
import type { Pin } from '../security/pin.ts';
import { hasVersion, isFromOldOllana, parseObject } from './answers.ts';
import { type MeetOptions, meetRustServer } from './rust-server.ts';

/** What stands behind an address. */
export interface Identity {
  readonly deviceId: string;
  /** `ollana` = a server-mode ollana, `ollama` = a plain Ollama (or an ollana too old to say more). */
  readonly kind: 'ollana' | 'ollama';
  /** What the server calls itself; a plain Ollama has no name. */
  readonly name?: string;
  /** It tells by itself what changes there, see feed-reader.ts. */
  readonly watch?: boolean;
  /** It is known by its certificate, and its DeviceId is that certificate's SHA-256. */
  readonly pin?: Pin;
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

/** Where the client mode of an ollana 0.1 to 0.6 listens; it is not to be had at any other address. */
const OLD_CLIENT = /^http:\/\/(127\.[\d.]+|localhost|\[::1\]):11434$/;

/**
 * Asks an address who it is; an ollana 0.1 to 0.6 is used like the Ollama behind it. Rejects with the codes of
 * `fetchSmall` when nobody answers there, with `OLLANA_UPSTREAM_FAILED` when what answers is neither a server-mode
 * ollana nor an Ollama, and with `OLLANA_NOT_ALLOWED` when it is one that does not serve us.
 */
export async function identify(url: string, options: MeetOptions): Promise<Identity> {
  let hello: Fetched;
  try {
    hello = await fetchSmall(url + HELLO_PATH, options);
  } catch (error) {
    const isOther = error instanceof OllanaError && error.code === 'OLLANA_UPSTREAM_FAILED';
    const mayMeet = isOther && url.startsWith('http:') && !options.signal?.aborted;
    const pin = mayMeet ? await meetRustServer(url, options) : undefined;
    if (!pin) throw error;
    return { deviceId: pin.sha256, kind: 'ollama', pin };
  }
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
  if (!isJson(version) && (OLD_CLIENT.test(url) || !isFromOldOllana(version))) {
    throw new OllanaError(
      'OLLANA_UPSTREAM_FAILED',
      `what answers at ${url} is another proxy, not an Ollama (no JSON Content-Type)`,
    );
  }
  return { deviceId: deviceIdOfUrl(url), kind: 'ollama' };
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

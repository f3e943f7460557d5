import { createHash } from 'node:crypto';
import { cleanName } from '../discovery/wire.ts';
import { OllanaError } from '../errors.ts';
import { type FetchOptions, fetchSmall } from '../ollama/client.ts';

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

/**
 * Asks an address who it is. Rejects with the codes of `fetchSmall` when nobody answers there, and with
 * `OLLANA_UPSTREAM_FAILED` when what answers is neither a server-mode ollana nor an Ollama.
 */
export async function identify(url: string, options: FetchOptions): Promise<Identity> {
  const hello = await fetchSmall(url + HELLO_PATH, options);
  const said = hello.status === 200 ? readHello(hello.body) : undefined;
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
  // would send requests in a circle.
  if (!version.contentType.startsWith('application/json')) {
    throw new OllanaError(
      'OLLANA_UPSTREAM_FAILED',
      `what answers at ${url} is another proxy, not an Ollama (no JSON Content-Type)`,
    );
  }
  return { deviceId: deviceIdOfUrl(url), kind: 'ollama' };
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

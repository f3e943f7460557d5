import { readFile } from 'node:fs/promises';
import { addressOf, isLoopbackHost } from '../../config/host.ts';
import { findEnvironment } from '../../server/find-environment.ts';
import type { Environment } from '../../server/ollama-environment.ts';
import { getSmall, type SmallAnswer } from '../get-small.ts';
import type { OllamaFacts } from './ollama.ts';

/** It is on this machine, or near; the user waits. */
const ASK_LIMIT_MS = 1_000;
const ENVIRONMENT_LIMIT_MS = 1_000;

/** Asks who is at the base URL of this machine's Ollama, and reads its variables where the system lets us. Never rejects. */
export async function lookAtOllama(
  url: string,
  platform: string,
): Promise<Omit<OllamaFacts, 'ownHost' | 'serves'> & { readonly environment: Environment | undefined }> {
  const [version, hello] = await Promise.all([ask(`${url}/api/version`), ask(`${url}/ollana/api/hello`)]);
  const said = version?.status === 200 && isJson(version) ? membersOf(version.body).version : undefined;
  const isOllana = hello?.status === 200 && typeof membersOf(hello.body).ollana === 'string';
  const answer = isOllana ? 'ollana' : typeof said === 'string' ? 'ollama' : version ? 'other' : 'none';
  if (answer !== 'ollama') return { url, platform, answer, environment: undefined };
  const environment = await findEnvironment(url, AbortSignal.timeout(ENVIRONMENT_LIMIT_MS));
  const isOpen = await listensEverywhere(url);
  return {
    url,
    platform,
    answer,
    version: String(said),
    ...(environment && { variables: environment.variables }),
    ...(isOpen !== undefined && { isOpen }),
    environment,
  };
}

async function ask(url: string): Promise<SmallAnswer | undefined> {
  try {
    return await getSmall(url, ASK_LIMIT_MS);
  } catch {
    // Nobody there, or nobody who speaks HTTP.
    return undefined;
  }
}

const isJson = ({ contentType }: SmallAnswer): boolean => /^application\/json\b/i.test(contentType);

function membersOf(body: string): Readonly<Record<string, unknown>> {
  try {
    return (JSON.parse(body) ?? {}) as Readonly<Record<string, unknown>>;
  } catch {
    return {}; // Not JSON: whoever it is has no version to tell.
  }
}

/** Whether the port of a base URL is listened on for more than loopback; undefined where that is not told. */
async function listensEverywhere(url: string): Promise<boolean | undefined> {
  const { hostname, port } = addressOf(url);
  if (!isLoopbackHost(hostname)) return true;
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  return tables.join('') === '' ? undefined : tables.some((table) => opensPort(table, Number(port || 80)));
}

/** Whether a table of /proc/net has a listener on a port at another address than loopback. Pure. */
function opensPort(table: string, port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table.split('\n').some((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    // 127.0.0.0/8 and ::1, and the former within IPv6, in the byte order of the machine, which is little-endian everywhere.
    const isLoopback = /^(\w{6}7F|0{24}01000000|0{16}FFFF0000\w{6}7F):/i.test(local);
    return state === '0A' && local.endsWith(suffix) && !isLoopback;
  });
}

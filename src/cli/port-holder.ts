import { isIP } from 'node:net';
import { OllanaError } from '../errors.ts';
import { socketOwners } from '../server/socket-owner.ts';
import { getSmall } from './get-small.ts';
import { plainText } from './text.ts';

/** The user waits at the prompt, and the holder is on this machine. */
const ASK_LIMIT_MS = 500;

/**
 * Adds who holds the port, if that can be told, and what to do about it, to the error of a failed listen.
 * Any other error is returned as it is.
 */
export async function namePortHolder(
  error: unknown,
  { host, port }: { host: string; port: number },
): Promise<unknown> {
  if (!(error instanceof OllanaError) || error.code !== 'OLLANA_PORT_IN_USE') return error;
  const holder = await portHolder(host, port);
  return new OllanaError(
    'OLLANA_PORT_IN_USE',
    `port ${port} on ${host} is in use${holder ? ` by ${holder}` : ''}: stop that, or give --port N`,
    { cause: error },
  );
}

/**
 * Who listens on a port of this machine: `another ollana (pid N, client mode)`, `an Ollama`, or the name of a
 * program where the system tells it. Never rejects; takes at most a second.
 */
export async function portHolder(host: string, port: number): Promise<string | undefined> {
  const base = `http://${reachable(host)}:${port}`;
  const ollana = await asOllana(base);
  // Only then: another ollana would pass what an Ollama is asked on to the network, and log it.
  if (ollana) return ollana;
  const ollama = await asOllama(base);
  const owner = await ownerOf(port);
  if (ollama) return owner ? `an Ollama, ${owner}` : 'an Ollama';
  return owner;
}

async function asOllana(base: string): Promise<string | undefined> {
  const report = (await json(`${base}/ollana/api/status`)) as { pid?: unknown; mode?: unknown } | undefined;
  if (!report || (report.mode !== 'client' && report.mode !== 'server')) return undefined;
  const pid = Number.isInteger(report.pid) ? `pid ${report.pid}, ` : '';
  return `another ollana (${pid}${report.mode} mode)`;
}

/** `name (pid N)` of the program that listens there, where the system tells. */
async function ownerOf(port: number): Promise<string | undefined> {
  for await (const { pid, program } of socketOwners(port, AbortSignal.timeout(ASK_LIMIT_MS)))
    return `${plainText(program) || 'a program'} (pid ${pid})`;
  return undefined;
}

/** Old ollana clients answer like an Ollama, but not with a content type of JSON: those are none. */
async function asOllama(base: string): Promise<boolean> {
  const [root, version] = await Promise.all([text(`${base}/`), json(`${base}/api/version`)]);
  return (
    root === 'Ollama is running' &&
    typeof (version as { version?: unknown } | undefined)?.version === 'string'
  );
}

async function json(url: string): Promise<unknown> {
  try {
    const { status, contentType, body } = await getSmall(url, ASK_LIMIT_MS);
    return status === 200 && /^application\/json\b/i.test(contentType) ? JSON.parse(body) : undefined;
  } catch {
    // Whoever it is does not speak this: no answer is an answer here.
    return undefined;
  }
}

async function text(url: string): Promise<string> {
  try {
    return (await getSmall(url, ASK_LIMIT_MS)).body;
  } catch {
    // As above.
    return '';
  }
}

/** An address to connect to for one that was to be listened on. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (isIP(host) !== 6) return host;
  return host === '::' ? '[::1]' : `[${host}]`;
}

import { execFile } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { addressOf, isLoopbackHost } from '../config/host.ts';
import { parseOllamaHost } from '../config/ollama-host.ts';
import {
  type Environment,
  readEnvironmentFile,
  readProcessEnvironment,
  readRegistry,
  readService,
  VARIABLES,
} from './ollama-environment.ts';
import { socketOwners } from './socket-owner.ts';

/** The kernel itself limits no environment below this, but none that Ollama is started with comes near. */
const MOST_BYTES = 1_000_000;

/**
 * The environment of the Ollama at a base URL, where that runs on this machine and the system lets us read it:
 * that of the process which listens there, else that of the service `ollama`. On macOS and Windows what the user
 * has set for all programs, which is where Ollama's manual says to set it. Undefined where nothing can be read.
 * Never rejects; aborting `signal` ends it soon.
 */
export async function findEnvironment(url: string, signal: AbortSignal): Promise<Environment | undefined> {
  const { hostname, port, protocol } = addressOf(url);
  const number = Number(port || (protocol === 'https:' ? 443 : 80));
  if (!isThisMachine(hostname)) return undefined;
  if (process.platform === 'darwin') return launchEnvironment(signal);
  if (process.platform === 'win32') return userEnvironment(signal);
  const owners: { readonly program: string; readonly variables: Map<string, string> }[] = [];
  for await (const { pid, program } of socketOwners(number, signal)) {
    const variables = readProcessEnvironment(await readText(`/proc/${pid}/environ`));
    if (variables.size > 0) owners.push({ program, variables });
  }
  // Somebody who only passes the port on, such as Docker or ssh, has an environment that says nothing.
  const ollama = owners.find(
    ({ program, variables }) => /ollama/i.test(program) || variables.has('OLLAMA_NUM_PARALLEL'),
  );
  if (ollama) return { variables: ollama.variables, source: 'process', complete: true };
  return owners.length > 0 ? undefined : serviceEnvironment(number, signal);
}

function isThisMachine(hostname: string): boolean {
  if (isLoopbackHost(hostname)) return true;
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return own.some((info) => info.address === hostname.replace(/%.*$/, ''));
}

async function serviceEnvironment(port: number, signal: AbortSignal): Promise<Environment | undefined> {
  const properties = '--property=ActiveState,Environment,EnvironmentFiles';
  const text = await output('systemctl', ['show', 'ollama', properties], signal);
  const { active, variables, files } = readService(text ?? '');
  if (!active) return undefined;
  for (const { path, optional } of files) {
    try {
      // A file's variables count more than the unit's own.
      for (const [key, value] of readEnvironmentFile(await readStart(path))) variables.set(key, value);
    } catch (error) {
      if (optional && (error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      return undefined;
    }
  }
  return listensOn(variables.get('OLLAMA_HOST'), port)
    ? { variables, source: 'service', complete: true }
    : undefined;
}

/** Whether an Ollama that was started with this OLLAMA_HOST is the one at the port. */
function listensOn(host: string | undefined, port: number): boolean {
  try {
    return Number(new URL(parseOllamaHost(host ?? '')).port || 80) === port;
  } catch {
    // No URL: Ollama then listens at its default, but hardly for long.
    return false;
  }
}

async function launchEnvironment(signal: AbortSignal): Promise<Environment> {
  const values = await Promise.all(VARIABLES.map((name) => output('launchctl', ['getenv', name], signal)));
  const set = VARIABLES.map((name, i): [string, string] => [name, (values[i] ?? '').trim()]);
  return { variables: new Map(set.filter(([, value]) => value !== '')), source: 'service', complete: false };
}

async function userEnvironment(signal: AbortSignal): Promise<Environment> {
  const text = await output('reg', ['query', 'HKCU\\Environment'], signal);
  return { variables: readRegistry(text ?? ''), source: 'service', complete: false };
}

/** What a tool prints; undefined when it is not there, fails or is too slow. */
function output(tool: string, args: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(tool, args, { signal, windowsHide: true, maxBuffer: MOST_BYTES }, (error, stdout) =>
      resolve(error ? undefined : stdout),
    );
  });
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    // Not ours to read, or the process has ended.
    return '';
  }
}

/** The start of a file that somebody named: it may be of any size. */
async function readStart(path: string): Promise<string> {
  await using file = await open(path);
  const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(MOST_BYTES) });
  return buffer.toString('utf8', 0, bytesRead);
}

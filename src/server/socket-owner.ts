import { readlinkSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';

/** The tables of a protocol, and their state column for a socket that waits for others: listening, or not connected. */
const TABLES = Object.freeze({
  tcp: { paths: ['/proc/net/tcp', '/proc/net/tcp6'], state: '0A' },
  udp: { paths: ['/proc/net/udp', '/proc/net/udp6'], state: '07' },
});

/** A process that listens on a port. */
export interface SocketOwner {
  readonly pid: number;
  /** The program's file name, as the system has it: not fit for a terminal. */
  readonly program: string;
}

/**
 * The processes that listen on a TCP or UDP port of this machine, whatever the address; none where the system does not
 * tell: another system than Linux, or another user's process. Never throws; ends early when `signal` aborts. One
 * process is looked through at a time, so that the event loop runs between them: there may be thousands.
 */
export async function* socketOwners(
  port: number,
  signal?: AbortSignal,
  protocol: 'tcp' | 'udp' = 'tcp',
): AsyncGenerator<SocketOwner> {
  const { paths, state } = TABLES[protocol];
  const tables = await Promise.all(paths.map(readText));
  const inodes = new Set(tables.flatMap((table) => listeningInodes(table, port, state)));
  if (inodes.size === 0) return;
  for (const pid of (await namesIn('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    if (signal?.aborted) return;
    if (!holdsSocket(pid, await namesIn(`/proc/${pid}/fd`), inodes)) continue;
    const program = await programOf(pid);
    // Ended while we looked, otherwise.
    if (program !== '') yield { pid: Number(pid), program };
  }
}

/** The inodes of the sockets that listen on `port`, from the text of a /proc/net/tcp or udp table. Pure. */
export function listeningInodes(table: string, port: number, wanted: string = TABLES.tcp.state): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table.split('\n').flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    return local?.endsWith(suffix) && state === wanted && inode !== undefined ? [inode] : [];
  });
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    // tcp6 is missing where IPv6 is off, both where there is no /proc.
    return '';
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    // Another user's process, or one that ended.
    return [];
  }
}

/** Reads the links without leaving the thread: one takes a microsecond, the way to the pool and back takes fifty. */
function holdsSocket(pid: string, fds: readonly string[], inodes: ReadonlySet<string>): boolean {
  return fds.some((fd) => {
    const [, inode] = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`)) ?? [];
    return inode !== undefined && inodes.has(inode);
  });
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed since it was listed.
    return '';
  }
}

/** The program's file name: its `comm` is that of its first thread, which newer Nodes call `MainThread`. */
async function programOf(pid: string): Promise<string> {
  const executable = linkOf(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '');
  return executable === '' ? (await readText(`/proc/${pid}/comm`)).trim() : basename(executable);
}

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { plainText } from './text.ts';

/** The state column of /proc/net/tcp for a listening socket. */
const LISTEN = '0A';

/**
 * The program that listens on a TCP port of this machine, as `name (pid N)`; undefined where the system does not
 * tell: another system than Linux, or another user's process.
 */
export function socketOwner(port: number): string | undefined {
  try {
    const inodes = new Set(
      ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listeningInodes(readTable(table), port)),
    );
    if (inodes.size === 0) return undefined;
    const pid = readdirSync('/proc').find((entry) => /^\d+$/.test(entry) && holdsSocket(entry, inodes));
    if (pid === undefined) return undefined;
    return `${plainText(nameOf(pid)) || 'a program'} (pid ${pid})`;
  } catch {
    // No /proc, or the process ended while we looked: then nobody can be named.
    return undefined;
  }
}

/** The inodes of the sockets that listen on `port`, from the text of a /proc/net/tcp table. Pure. */
export function listeningInodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table.split('\n').flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    return local?.endsWith(suffix) && state === LISTEN && inode !== undefined ? [inode] : [];
  });
}

function readTable(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // tcp6 is missing where IPv6 is off.
    return '';
  }
}

function holdsSocket(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`)) ?? [];
      return inode !== undefined && inodes.has(inode);
    });
  } catch {
    // Another user's process.
    return false;
  }
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
function nameOf(pid: string): string {
  const executable = linkOf(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '');
  return executable === '' ? readFileSync(`/proc/${pid}/comm`, 'utf8') : basename(executable);
}

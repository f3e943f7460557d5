import fs, {
  linkSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import sqlite from 'node-sqlite3-wasm';

/** An open SQLite file. */
export type Sqlite = InstanceType<typeof sqlite.Database>;

/** A statement that has been read once. */
export type Statement = ReturnType<Sqlite['prepare']>;

export interface TraceFileOptions {
  /** Whole path of the database. */
  readonly path: string;
  /** Whether a process of this id is an ollana other than this one. */
  readonly isOther: (pid: number) => boolean;
}

/** Pages of 4 kB in memory, in kB: what the indexes of a full file need to be written without reading it all. */
const CACHE_KB = 16_384;
const PAGE_BYTES = 4096;

/**
 * Opens a database that this process alone writes, and which `sqlite3` may read at any time.
 *
 * The file system of this SQLite locks by a directory, `PATH.live.lock`, which a killed process leaves behind; so whoever
 * opens the file leaves its process id beside it, and a lock of a process that is no more is removed. Throws an Error
 * that names the process when another ollana has it open.
 *
 * Journal: TRUNCATE. A journal beside the file is what makes a commit whole or not at all however the process ends; a
 * write-ahead log would be as safe, but holds what `sqlite3` does not see then. `sqlite3` does not know our lock: a
 * journal that is being written would look to it like one of a process that died, and it would undo a commit that is
 * under way. So we open the file by a second name, after which the journal is called, too.
 */
export function openTraceFile({ path, isOther }: TraceFileOptions): Sqlite {
  const owner = `${path}.pid`;
  const holder = pidIn(owner);
  if (holder !== undefined && isOther(holder))
    throw new Error(`ollana with pid ${holder} writes it: give this one a --data-dir of its own`);
  writeFileSync(owner, `${process.pid}\n`, { mode: 0o600 });
  const name = secondName(path);
  for (const lock of [`${name}.lock`, `${path}.lock`]) removeLock(lock);
  const db = new sqlite.Database(name);
  try {
    undoHalfCommit(db, name);
    db.exec(
      `PRAGMA page_size=${PAGE_BYTES}; PRAGMA cache_size=-${CACHE_KB};
       PRAGMA cache_spill=OFF; PRAGMA temp_store=MEMORY; PRAGMA synchronous=FULL; PRAGMA journal_mode=TRUNCATE`,
    );
    return db;
  } catch (error) {
    closeQuietly(db);
    rmSync(owner, { force: true });
    throw error;
  }
}

/**
 * Has SQLite undo a commit that a killed process has left half written, and takes the lock for good. SQLite looks first
 * whether another process holds the lock; its file system here (node-sqlite3-wasm 0.8, `_nodejsCheckReservedLock`) takes
 * our own for that of another, and the half commit would stay for ever: so that lock is not to be seen meanwhile.
 */
function undoHalfCommit(db: Sqlite, name: string): void {
  const { accessSync } = fs;
  fs.accessSync = (path, mode) => {
    if (path === `${name}.lock`) throw new Error('our own lock is none of another');
    accessSync(path, mode);
  };
  try {
    db.exec('PRAGMA locking_mode=EXCLUSIVE; SELECT count(*) FROM sqlite_schema');
  } finally {
    fs.accessSync = accessSync;
  }
}

/** Closes a database that `openTraceFile` has opened. Never throws. */
export function closeTraceFile(db: Sqlite, path: string): void {
  closeQuietly(db);
  try {
    rmSync(`${path}.pid`, { force: true });
  } catch {
    // A disk that can only be read; whoever comes next sees that we are gone.
  }
}

/** Puts a file that cannot be read aside, so that a new one can be begun; one that was put aside before is lost. */
export function putAside(path: string): string {
  const aside = `${path}.broken`;
  renameSync(path, aside);
  for (const name of [`${path}.live`, `${path}.live-journal`]) rmSync(name, { force: true });
  return basename(aside);
}

/** Another name for the file, made anew; the file's own where the file system has no such thing. */
function secondName(path: string): string {
  const name = `${path}.live`;
  // Made while there is no file yet, a hard link would fail: the file is there from the first time on.
  writeFileSync(path, '', { flag: 'a', mode: 0o600 });
  rmSync(name, { force: true });
  for (const link of [() => symlinkSync(basename(path), name), () => linkSync(path, name)]) {
    try {
      link();
      return name;
    } catch {
      // Windows lets few make symbolic links, and FAT has no links at all.
    }
  }
  return path;
}

function pidIn(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function removeLock(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // There is none, as it should be; or it cannot be removed, and opening says why.
  }
}

function closeQuietly(db: Sqlite): void {
  try {
    db.close();
  } catch {
    // What is wrong has been said.
  }
}

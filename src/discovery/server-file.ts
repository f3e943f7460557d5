import { readFile, stat } from 'node:fs/promises';
import type { Cancel, Clock } from '../clock.ts';
import type { ServerAddress } from '../config/server-address.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import type { OnNotice } from './notice.ts';
import { parseServerList } from './server-list.ts';
import type { DiscoverySource, OnSighting } from './sighting.ts';

export interface ServerFileOptions {
  /** Absolute path. */
  readonly file: string;
  readonly clock: Clock;
  readonly onSighting: OnSighting;
  readonly onNotice?: OnNotice | undefined;
}

/** Every file system has modification times; not every one (network, container mounts) tells of changes. */
const POLL_MS = 1000;

/**
 * An empty file that was not empty is believed after this, ms: many an editor empties a file before it writes it, and
 * the end of a line counts at once.
 */
const EMPTY_MS = 2000;

/** A thousand lines are some 50 kB; what is larger is another file. */
const MAX_BYTES = 1024 * 1024;

/**
 * The servers in a file, one `URL[=name]` a line. Followed: a new line is a sighting, a removed one a goodbye. While
 * the file cannot be read (an editor replaces it, a mount is away), or has been empty for less than 2 s, its last
 * content counts.
 */
export class ServerFile implements DiscoverySource {
  readonly #options: ServerFileOptions;
  #servers: ReadonlyMap<string, ServerAddress> = new Map();
  #version = '';
  /** Since when it has been found empty, on the clock. */
  #emptySince: number | undefined;
  #isLost = false;
  #busy = false;
  #started: Promise<void> | undefined;
  #disposed = false;
  #cancel: Cancel = () => {};

  constructor(options: ServerFileOptions) {
    this.#options = options;
  }

  /** Rejects with OLLANA_UNREADABLE_FILE when the file cannot be read. */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  refresh(): void {
    if (this.#started) void this.#poll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#cancel();
  }

  async #start(): Promise<void> {
    const { file, clock } = this.#options;
    if (this.#disposed) return;
    try {
      this.#take(await readIfChanged(file, ''));
    } catch (error) {
      const message = `cannot read server file ${file}: ${reasonOf(error)}; create it or correct --server-file`;
      throw new OllanaError('OLLANA_UNREADABLE_FILE', message, { cause: error });
    }
    if (!this.#disposed) this.#cancel = clock.every(POLL_MS, () => void this.#poll());
  }

  async #poll(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      this.#take(await readIfChanged(this.#options.file, this.#version));
      this.#isLost = false;
    } catch (error) {
      const { file, onNotice } = this.#options;
      if (!this.#isLost && !this.#disposed)
        onNotice?.({ type: 'file-unreadable', file, reason: reasonOf(error) });
      this.#isLost = true;
    } finally {
      this.#busy = false;
    }
  }

  #take(content: Content | undefined): void {
    if (!content || this.#disposed || this.#isBeingWritten(content)) return;
    this.#version = content.version;
    const { file, onNotice } = this.#options;
    const { servers, bad } = parseServerList(content.text);
    for (const { line, reason } of bad) onNotice?.({ type: 'bad-line', file, line, reason });
    const before = this.#servers;
    this.#servers = servers;
    for (const gone of before.values()) if (!servers.has(gone.url)) this.#report(gone, 0);
    for (const server of servers.values()) {
      const known = before.get(server.url);
      if (!known || known.name !== server.name) this.#report(server, Number.POSITIVE_INFINITY);
    }
  }

  #isBeingWritten({ text }: Content): boolean {
    const now = this.#options.clock.now();
    if (text.trim() !== '' || this.#servers.size === 0) {
      this.#emptySince = undefined;
      return false;
    }
    this.#emptySince ??= now;
    return now - this.#emptySince < EMPTY_MS;
  }

  #report({ url, name }: ServerAddress, leaseMs: number): void {
    this.#options.onSighting({ source: 'file', url, ...(name && { name }), leaseMs });
  }
}

interface Content {
  readonly text: string;
  /** Differs whenever the file was written or replaced. */
  readonly version: string;
}

/** Undefined when the file still has that version. Rejects when it cannot be read or is no list of servers. */
async function readIfChanged(file: string, version: string): Promise<Content | undefined> {
  // Looked at before it is opened: opening a pipe waits for its writer.
  const found = await stat(file);
  if (!found.isFile()) throw new Error('not a regular file');
  // Taken before reading, so that a write in between is noticed by the next look.
  const current = `${found.dev} ${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}`;
  if (current === version) return undefined;
  if (found.size > MAX_BYTES) throw new Error(`it has ${found.size} bytes, more than ${MAX_BYTES}`);
  return { text: await readFile(file, 'utf8'), version: current };
}

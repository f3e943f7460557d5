import { readFileSync, type Stats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cancel, Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import { type Device, LIST_FILE, MAX_LIST_BYTES, readDevices } from './allow-list.ts';
import { RUST_LIST_FILE, readRustList } from './rust-identity.ts';

export interface TrustOptions {
  readonly dataDir: string;
  /** Our own id: another process of this user, with the same key, is no stranger. */
  readonly ownId: string;
  /** Only paired devices, whatever the list says; false: everybody, whatever it says. Absent: as the list says. */
  readonly requirePairing: boolean | undefined;
  readonly clock: Clock;
  /** A list cannot be read; said once a reason. */
  readonly onTrouble: (message: string, reason: string) => void;
}

/** The user types `ollana device disable` and expects it to count; two looks at a file take some 10 us. */
const LOOK_EVERY_MS = 300;
const NOBODY: ReadonlySet<string> = new Set();

/**
 * Whom this installation trusts: the list in its data directory, followed while it runs. Once there is a list only
 * those on it are let in. While a list cannot be read, the last one read counts; if none was, nobody is trusted.
 */
export class Trust implements Disposable {
  readonly #options: TrustOptions;
  readonly #listeners = new Set<() => void>();
  readonly #stop: Cancel;
  #devices: ReadonlyMap<string, Device> = new Map();
  #rustIds = NOBODY;
  #hasList = false;
  readonly #versions = new Map<string, string>();
  #isPolling = false;
  /** Why a list that is there is not known, by its file name. */
  readonly #unknown = new Map<string, string>();

  /** Reads the lists; never throws. */
  constructor(options: TrustOptions) {
    this.#options = options;
    this.#look();
    this.#stop = options.clock.every(LOOK_EVERY_MS, () => void this.#poll());
  }

  /** Whether only paired devices are let in, and used. */
  get closed(): boolean {
    return this.#options.requirePairing ?? (this.#hasList || this.#unknown.size > 0);
  }

  /** Whether a device is paired; our own key is. */
  isPaired(id: string): boolean {
    return id === this.#options.ownId || this.#devices.has(id);
  }

  /** What is known of a paired device. */
  device(id: string): Device | undefined {
    return this.#devices.get(id);
  }

  /** Ids that the ollana in Rust, which was here before, served; empty where there was none. */
  get rustIds(): ReadonlySet<string> {
    return this.#rustIds;
  }

  /** Calls `listener` after every change, until the returned function is called. */
  onChange(listener: () => void): Cancel {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Looks at once whether a list has changed. */
  refresh(): void {
    if (this.#look()) for (const listener of [...this.#listeners]) listener();
  }

  /** Asks without waiting, because a disk on the network may take its time. */
  async #poll(): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    const names = [LIST_FILE, RUST_LIST_FILE];
    const changed = await Promise.all(names.map((name) => this.#isChanged(name)));
    this.#isPolling = false;
    if (changed.includes(true)) this.refresh();
  }

  async #isChanged(name: string): Promise<boolean> {
    try {
      return versionOf(await stat(join(this.#options.dataDir, name))) !== this.#versions.get(name);
    } catch {
      return false; // None there, or none to be had at the moment: what was read counts.
    }
  }

  #look(): boolean {
    const ours = this.#read(LIST_FILE, (text) => {
      this.#devices = new Map(readDevices(text).map((device) => [device.id, device]));
      this.#hasList = true;
    });
    const rust = this.#read(RUST_LIST_FILE, (text) => {
      this.#rustIds = readRustList(text);
    });
    return ours || rust;
  }

  /** Whether the file has changed, and been taken. */
  #read(name: string, take: (text: string) => void): boolean {
    const path = join(this.#options.dataDir, name);
    try {
      const found = statSync(path);
      const version = versionOf(found);
      if (version === this.#versions.get(name)) return false;
      if (!found.isFile() || found.size > MAX_LIST_BYTES) throw new Error('this is no list of devices');
      const text = readFileSync(path, 'utf8');
      // What makes no sense now makes none at the next look; what could not be read may be read then.
      this.#versions.set(name, version);
      take(text);
      this.#unknown.delete(name);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // No list at all is how everybody begins. One that vanishes may be on a disk that is away.
      if (code === 'ENOENT' || code === 'ENOTDIR') return false;
      const wasOpen = !this.closed;
      this.#tell(name, path, reasonOf(error));
      return wasOpen && this.closed;
    }
  }

  #tell(name: string, path: string, reason: string): void {
    if (this.#unknown.get(name) === reason) return;
    this.#unknown.set(name, reason);
    const message = `cannot read ${path}, so the devices that were paired before count, and no others: mend or remove it`;
    this.#options.onTrouble(message, reason);
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#listeners.clear();
  }
}

/** Differs whenever a file was written or replaced. */
function versionOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

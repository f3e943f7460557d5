import { readFileSync, statSync } from 'node:fs';
import { reasonOf } from '../errors.ts';
import { type ApiKey, looksLikeKey, matchingKey, readKeys } from './api-key.ts';
import { keysFile, MAX_KEYS_BYTES } from './key-file.ts';

export interface KeyRingOptions {
  readonly dataDir: string;
  /** The file cannot be used; said once for each reason. */
  readonly onTrouble: (file: string, reason: string) => void;
}

/**
 * The keys of a data directory, looked at whenever somebody shows what looks like one: a key that was added or removed
 * a moment ago counts as what it is now, and nothing is done while nobody shows any. While the file cannot be read, or
 * is gone, the keys read last count: doors neither open nor close by accident.
 */
export class KeyRing {
  readonly #options: KeyRingOptions;
  readonly #file: string;
  #keys: readonly ApiKey[] = [];
  #version = '';
  #said = '';

  /** Reads the keys; never throws. */
  constructor(options: KeyRingOptions) {
    this.#options = options;
    this.#file = keysFile(options.dataDir);
    this.#look();
  }

  /** The keys as they were last read. */
  get keys(): readonly ApiKey[] {
    return this.#keys;
  }

  /** The key that is shown, if it is one of these. Never throws. */
  find(shown: string): ApiKey | undefined {
    if (!looksLikeKey(shown)) return undefined;
    this.#look();
    return matchingKey(this.#keys, shown);
  }

  /** Without leaving the thread: asking a file on this machine for its version takes some 5 us. */
  #look(): void {
    try {
      const found = statSync(this.#file, { throwIfNoEntry: false });
      if (!found) return;
      const version = `${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}`;
      if (version === this.#version) return;
      if (!found.isFile() || found.size > MAX_KEYS_BYTES) throw new Error('this is no file of keys');
      const text = readFileSync(this.#file, 'utf8');
      // What makes no sense now makes none the next time; what could not be read may be read then.
      this.#version = version;
      this.#keys = readKeys(text);
      this.#said = '';
    } catch (error) {
      const reason = reasonOf(error);
      if (reason !== this.#said) this.#options.onTrouble(this.#file, reason);
      this.#said = reason;
    }
  }
}

import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

/** A log that fits an editor, and enough of them for some days of a busy office: 60 MB in all. */
const MAX_BYTES = 10 * 1024 * 1024;
const MAX_OLD = 5;

/**
 * A file that lines are appended to. Full, it becomes `NAME.1`, what was that `NAME.2`, and the fifth goes. Made for
 * this user only. What cannot be written is lost: a full disk is no reason to end.
 */
export class RotatingFile {
  readonly #path: string;
  readonly #maxBytes: number;
  #fd: number;
  #bytes: number;

  /** Throws the system's error when it cannot be opened. */
  constructor(path: string, maxBytes: number = MAX_BYTES) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#fd = open(path);
    this.#bytes = fstatSync(this.#fd).size;
  }

  /** Writes a line with its end. Never throws. */
  write(line: string): void {
    try {
      const bytes = Buffer.byteLength(line);
      if (this.#bytes > 0 && this.#bytes + bytes > this.#maxBytes) this.#rotate();
      writeSync(this.#fd, line);
      this.#bytes += bytes;
    } catch {
      // Whoever could be told of it reads this file.
    }
  }

  #rotate(): void {
    // Tried again only after as much again: where a file cannot be renamed it goes on growing.
    this.#bytes = 0;
    for (let i = MAX_OLD - 1; i >= 1; i -= 1) move(`${this.#path}.${i}`, `${this.#path}.${i + 1}`);
    move(this.#path, `${this.#path}.1`);
    const full = this.#fd;
    this.#fd = open(this.#path);
    closeSync(full);
  }
}

function open(path: string): number {
  return openSync(path, 'a', 0o600);
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // There are not as many yet.
  }
}

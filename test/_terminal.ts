import { columnsOf } from '../src/cli/text.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is for
const SEQUENCE = /^\u001b\[[0-?]*[@-~]/;

/**
 * A screen as a terminal keeps it, which knows the few sequences that a full-screen command of ours may use and throws
 * at every other: whoever steers it by a name that it shows is found out.
 */
export class FakeTerminal {
  readonly #size: { columns: number; rows: number };
  /** Cells of the alternate screen; the second of a wide character is empty. */
  #cells: string[][] = [];
  #row = 0;
  #column = 0;
  #rest = '';
  #wraps = true;
  isAlternate = false;
  hasCursor = true;
  /** What came while it was not on the alternate screen. */
  plain = '';
  /** How often lines were written to. */
  writes = 0;

  constructor(columns: number, rows: number) {
    this.#size = { columns, rows };
  }

  /** What stood there is moved about, each terminal in its own way: here it is all `#`. */
  resize(columns: number, rows: number): void {
    Object.assign(this.#size, { columns, rows });
    this.#cells = Array.from({ length: rows }, () => Array.from({ length: columns }, () => '#'));
  }

  /** Whether it is as it was before. */
  get isRestored(): boolean {
    return !this.isAlternate && this.hasCursor && this.#wraps;
  }

  /** What one sees, a line each, without blanks at the end. */
  get lines(): readonly string[] {
    return Array.from({ length: this.#size.rows }, (_, i) =>
      Array.from(this.#cells[i] ?? [], (cell) => cell ?? ' ')
        .join('')
        .trimEnd(),
    );
  }

  get text(): string {
    return this.lines.join('\n');
  }

  write(more: string): void {
    let text = this.#rest + more;
    this.#rest = '';
    while (text !== '') {
      const [sequence] = SEQUENCE.exec(text) ?? [];
      if (sequence !== undefined) this.#obey(sequence);
      else if (text.startsWith('\u001b')) {
        if (text.length > 20) throw new Error(`unknown sequence ${JSON.stringify(text.slice(0, 20))}`);
        this.#rest = text;
        return;
      } else this.#put(String.fromCodePoint(text.codePointAt(0)!));
      text = text.slice(sequence?.length ?? String.fromCodePoint(text.codePointAt(0)!).length);
    }
  }

  #obey(sequence: string): void {
    const [, row] = /^(\d+);1H$/.exec(sequence.slice(2)) ?? [];
    if (row !== undefined) {
      this.#row = Number(row) - 1;
      this.#column = 0;
      this.writes += 1;
      return;
    }
    const does = this.#known[sequence.slice(2)];
    if (!does) throw new Error(`unknown sequence ${JSON.stringify(sequence)}`);
    does();
  }

  readonly #known: Readonly<Record<string, () => void>> = {
    '?1049h': () => {
      this.isAlternate = true;
      this.#cells = [];
    },
    '?1049l': () => {
      this.isAlternate = false;
    },
    '?25l': () => {
      this.hasCursor = false;
    },
    '?25h': () => {
      this.hasCursor = true;
    },
    '?7l': () => {
      this.#wraps = false;
    },
    '?7h': () => {
      this.#wraps = true;
    },
    '2J': () => {
      this.#cells = [];
    },
    '2K': () => {
      this.#cells[this.#row] = [];
    },
    '0m': () => {},
    '1m': () => {},
    '2m': () => {},
  };

  #put(char: string): void {
    if (!this.isAlternate) {
      this.plain += char;
      return;
    }
    if (/\p{C}/u.test(char)) throw new Error(`control character ${JSON.stringify(char)}`);
    const width = columnsOf(char);
    if (this.#row >= this.#size.rows || this.#column + width > this.#size.columns)
      throw new Error(`${JSON.stringify(char)} does not fit at ${this.#row}, ${this.#column}`);
    const line = this.#cells[this.#row] ?? [];
    this.#cells[this.#row] = line;
    while (line.length < this.#column) line.push(' ');
    if (width === 0) line[this.#column - 1] += char;
    else line[this.#column] = char;
    if (width === 2) line[this.#column + 1] = '';
    this.#column += width;
  }
}

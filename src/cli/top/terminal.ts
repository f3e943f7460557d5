import type { ReadStream, WriteStream } from 'node:tty';
import { plainText } from '../text.ts';
import type { ScreenSize, TopLine } from './layout.ts';

/** Another screen, no cursor, and no new line where a text is wider than we think; then all of that back. */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const LEAVE = '\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l';
const STYLES: Readonly<Record<TopLine['style'], string>> = {
  plain: '',
  bold: '\u001b[1m',
  faint: '\u001b[2m',
};
const CTRL_C = '\u0003';
/** What a terminal has that does not tell. */
const USUAL: ScreenSize = { columns: 80, rows: 24 };

export interface TerminalOptions {
  readonly output: WriteStream;
  /** Keys are read from it where it is a terminal. */
  readonly input: ReadStream;
  /** The size has changed, or the terminal takes more: what is shown has to be drawn anew. */
  readonly onStale: () => void;
  /** The user wants to end it, or the terminal is gone. */
  readonly onEnd: () => void;
}

/**
 * The whole screen of a terminal, taken until disposed. It is given back whatever ends the process but SIGKILL: also
 * before an error that nobody has caught is printed.
 */
export class Terminal implements Disposable {
  readonly #options: TerminalOptions;
  /** What stands there, line by line. */
  #shown: readonly string[] = [];
  /** The terminal has moved it about: nothing of it counts. */
  #isStale = true;
  #isOver = false;

  constructor(options: TerminalOptions) {
    this.#options = options;
    const { output, input, onStale, onEnd } = options;
    process.on('uncaughtExceptionMonitor', this.#leave).on('exit', this.#leave);
    output.on('resize', this.#resized).on('drain', onStale).on('error', onEnd);
    if (input.isTTY) {
      input.setRawMode(true);
      input.on('data', this.#key).on('error', onEnd).on('end', onEnd);
    }
    output.write(ENTER);
  }

  get size(): ScreenSize {
    const { columns, rows } = this.#options.output;
    return { columns: columns || USUAL.columns, rows: rows || USUAL.rows };
  }

  /** Shows these lines, of which it writes those that are other than before; nothing while the terminal is behind. */
  draw(lines: readonly TopLine[]): void {
    const { output } = this.#options;
    if (this.#isOver || output.writableNeedDrain) return;
    const next = lines.map(({ text, style }) =>
      style === 'plain' || text === '' ? text : `${STYLES[style]}${text}\u001b[0m`,
    );
    const clear = this.#isStale ? '\u001b[2J' : '';
    if (this.#isStale) this.#shown = [];
    this.#isStale = false;
    const count = Math.max(next.length, this.#shown.length);
    const changed = Array.from({ length: count }, (_, i) => {
      const text = next[i] ?? '';
      return text === (this.#shown[i] ?? '') ? '' : `\u001b[${i + 1};1H\u001b[2K${text}`;
    }).join('');
    this.#shown = next;
    if (clear + changed !== '') output.write(clear + changed);
  }

  readonly #resized = (): void => {
    this.#isStale = true;
    this.#options.onStale();
  };

  readonly #key = (typed: Buffer): void => {
    // Arrows and the like are sequences, which are no text. Raw, the terminal makes no signal of Ctrl-C.
    const keys = typed.toString('latin1');
    if (keys.includes(CTRL_C) || /q/i.test(plainText(keys))) this.#options.onEnd();
  };

  readonly #leave = (): void => {
    if (this.#isOver) return;
    this.#isOver = true;
    const { output, input } = this.#options;
    output.write(LEAVE);
    if (input.isTTY) input.setRawMode(false);
  };

  /** Gives the terminal back as it was. */
  [Symbol.dispose](): void {
    this.#leave();
    const { output, input, onStale, onEnd } = this.#options;
    process.off('uncaughtExceptionMonitor', this.#leave).off('exit', this.#leave);
    output.off('resize', this.#resized).off('drain', onStale).off('error', onEnd);
    // Its errors are still nobody's.
    input.off('data', this.#key).off('end', onEnd).pause();
  }
}

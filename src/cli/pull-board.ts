import type { Clock } from '../clock.ts';
import type { PullProgress } from '../ollama/pull-progress.ts';
import { byteText } from './byte-text.ts';
import { cutTo, inColumn, plainText } from './text.ts';

/** The part of a terminal or pipe that is needed; `columns` and `rows` only terminals have. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

interface Row {
  name: string;
  progress: PullProgress | undefined;
  /** The state of which a line was written. */
  said: string;
}

/** Wider lines are no easier to read. */
const MOST_COLUMNS = 100;
const NAME_COLUMNS = 16;
const BAR_COLUMNS = 20;
/** Ollama reports every 60 ms for each part; people see no more than this, ms. */
const REDRAW_MS = 100;

/**
 * Shows the progress of several pulls, a line each: redrawn in place on a terminal, else one line per change of
 * state. What servers say is printed as plain text.
 */
export class PullBoard {
  readonly #screen: Screen;
  readonly #clock: Clock;
  readonly #rows: Row[];
  readonly #redraws: boolean;
  #drawn = false;
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(screen: Screen, clock: Clock, names: readonly string[]) {
    this.#screen = screen;
    this.#clock = clock;
    this.#rows = names.map((name) => ({ name, progress: undefined, said: '' }));
    // What has scrolled off the top cannot be redrawn.
    this.#redraws = screen.isTTY === true && names.length < (screen.rows ?? 24);
  }

  /** Says how far the pull of row `at` has come, and by which name its server goes. */
  show(at: number, name: string, progress: PullProgress): void {
    const row = this.#rows[at];
    if (!row) return;
    row.name = name;
    row.progress = progress;
    if (this.#redraws) {
      const now = this.#clock.now();
      if (progress.state === 'running' && now - this.#drawnAt < REDRAW_MS) return;
      this.#drawnAt = now;
      this.#draw();
      return;
    }
    const said = `${progress.state} ${progress.status}`;
    if (said === row.said) return;
    row.said = said;
    const size = progress.total > 0 ? ` (${byteText(progress.total)})` : '';
    this.#screen.write(`${plainText(row.name)}: ${plainText(progress.status)}${size}\n`);
  }

  #draw(): void {
    const columns = Math.min(MOST_COLUMNS, (this.#screen.columns ?? 80) - 1);
    const up = this.#drawn ? `\u001b[${this.#rows.length}A` : '';
    this.#drawn = true;
    const lines = this.#rows.map(({ name, progress }) => `\r\u001b[K${pullLine(name, progress, columns)}\n`);
    this.#screen.write(up + lines.join(''));
  }
}

/** One pull on one line of at most `columns` columns. Pure. */
export function pullLine(name: string, progress: PullProgress | undefined, columns: number): string {
  const head = inColumn(name, NAME_COLUMNS);
  if (!progress) return cutTo(`${head} waiting`, columns);
  const { state, status, total, completed } = progress;
  if (state !== 'running' || total === 0) return cutTo(`${head} ${plainText(status)}`, columns);
  const share = completed / total;
  const full = Math.round(share * BAR_COLUMNS);
  const bar = '█'.repeat(full) + '░'.repeat(BAR_COLUMNS - full);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return cutTo(
    `${head} ${percent} ${bar} ${byteText(completed)}/${byteText(total)} ${plainText(status)}`,
    columns,
  );
}

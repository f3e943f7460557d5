import { type Cancel, systemClock } from '../../clock.ts';
import { runningDaemons } from '../../daemon/state-file.ts';
import type { StatusReport } from '../../daemon/status.ts';
import { OllanaError } from '../../errors.ts';
import { readReport, theDaemon } from '../daemon-request.ts';
import { EXIT } from '../exit-codes.ts';
import { stayAwake } from '../stay-awake.ts';
import { topLines } from './layout.ts';
import { LiveStream } from './stream.ts';
import { Terminal } from './terminal.ts';

/** Nobody reads faster, and a slow line to the terminal has time for it. */
const DRAW_MS = 250;
/** How long a request has run is shown in seconds; what has not changed is not written. */
const TICK_MS = 1000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Shows what the running daemon of a data directory sees, until q, Ctrl-C or a signal; the client-mode one if both run.
 * Returns the exit code. Throws OLLANA_BAD_OPTION (stdout is no terminal that a cursor moves on), OLLANA_NOT_RUNNING and
 * OLLANA_DIAL_FAILED (at the start; a daemon that goes later is waited for), always with the terminal as it was.
 */
export async function showTop(
  dataDir: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const { stdin, stdout } = process;
  if (stdout.isTTY !== true || env.TERM === 'dumb')
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      'ollana top draws on a whole terminal, and this output is none: use `ollana status`, or `ollana status --json` in scripts',
    );
  const { mode, ...daemon } = theDaemon(dataDir);
  await readReport<StatusReport>({ mode, ...daemon }, '/ollana/api/status', ({ servers }) =>
    Array.isArray(servers),
  );
  let end = () => {};
  let fail: (error: unknown) => void = () => {};
  const ended = new Promise<void>((resolve, reject) => {
    end = resolve;
    fail = reject;
  });
  let next: Cancel | undefined;
  let drawnAt = Number.NEGATIVE_INFINITY;
  const draw = () => {
    next = undefined;
    drawnAt = systemClock.now();
    try {
      const { known, link } = stream;
      terminal.draw(topLines({ known, link, wall: systemClock.wall() }, terminal.size));
    } catch (error) {
      fail(error);
    }
  };
  const drawSoon = () => {
    next ??= systemClock.after(Math.max(0, drawnAt + DRAW_MS - systemClock.now()), draw);
  };
  const awake = stayAwake();
  for (const signal of SIGNALS) process.on(signal, end);
  const find = () => runningDaemons(dataDir).find((one) => one.mode === mode);
  const terminal = new Terminal({ output: stdout, input: stdin, onStale: drawSoon, onEnd: end });
  const stream = new LiveStream({ find, clock: systemClock, onChange: drawSoon });
  const stopTicking = systemClock.every(TICK_MS, drawSoon);
  try {
    draw();
    await ended;
    return EXIT.ok;
  } finally {
    stopTicking();
    next?.();
    stream[Symbol.dispose]();
    terminal[Symbol.dispose]();
    for (const signal of SIGNALS) process.off(signal, end);
    awake();
  }
}

import type { ErrorCode } from '../errors.ts';

/** What the process ends with; shown by `--help`. */
export const EXIT = Object.freeze({ ok: 0, failed: 1, usage: 2, taken: 3, notRunning: 4 });

/** One line each for `--help`. */
export const EXIT_MEANINGS: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'all went well; for a daemon: it was told to end, and did'],
  [
    '1',
    'it failed while starting or running; discover: no usable server was found; health: a problem is critical; doctor: there is a problem',
  ],
  ['2', 'a bad option, value, command or server file'],
  ['3', 'the port is in use, or this ollana is running already'],
  ['4', 'no running ollana was found'],
  ['130, 143', 'ended by Ctrl-C or SIGTERM; a daemon by the second one'],
];

const BY_ERROR: Partial<Record<ErrorCode, number>> = {
  OLLANA_BAD_OPTION: EXIT.usage,
  OLLANA_UNREADABLE_FILE: EXIT.usage,
  OLLANA_PORT_IN_USE: EXIT.taken,
  OLLANA_ALREADY_RUNNING: EXIT.taken,
  OLLANA_NOT_RUNNING: EXIT.notRunning,
};

/** The exit code that an error of ollana's own ends the process with. */
export const exitCodeOf = (code: ErrorCode): number => BY_ERROR[code] ?? EXIT.failed;

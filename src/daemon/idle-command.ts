import { spawn } from 'node:child_process';
import type { Clock } from '../clock.ts';
import type { ServerConfig } from '../config.ts';
import { reasonOf } from '../errors.ts';
import type { FleetView } from '../fleet/view.ts';
import type { Log } from '../observe/log.ts';
import type { Desks } from './desks.ts';
import { type Idle, lookIdle } from './idle.ts';

export interface IdleCommandOptions {
  readonly config: Pick<ServerConfig, 'idleCommand' | 'idleAfterMs'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Holds this machine's Ollama and nothing else. */
  readonly own: FleetView;
  readonly desks: Pick<Desks, 'of' | 'onChange'>;
  /** Requests that have not ended. */
  readonly open: () => number;
}

/** A look costs microseconds; a stream that begins is seen by its place in the queue, not by this, ms. */
const LOOK_EVERY_MS = 1000;
/** A look this late by the wall clock is no busy event loop, ms. */
const SLEEP_MS = 5000;

/**
 * Has the owner's command run when nothing has been asked for as long as they say; undefined where they have none.
 * Looks until disposed; a command that runs then goes on.
 */
export function idleCommand(options: IdleCommandOptions): Disposable | undefined {
  const { config, clock, log, own, desks, open } = options;
  const { idleCommand: command, idleAfterMs: afterMs } = config;
  if (command === undefined || afterMs === undefined) return undefined;
  let idle: Idle = { sinceMs: clock.now(), wasOpen: false, done: false };
  let used = false;
  let running = false;
  let lookedAt = clock.wall();
  const uses = lastUses();
  const isAtWork = () => {
    const [ollama] = own.servers();
    const load = ollama && desks.of(ollama).load();
    return Object.values(load?.models ?? {}).some(({ active, queued }) => active + queued > 0);
  };
  const note = () => {
    used ||= isAtWork() || uses(own);
  };
  const stops = [desks.onChange(note), own.onChange(note)];
  const look = () => {
    note();
    const wall = clock.wall();
    const slept = wall - lookedAt > LOOK_EVERY_MS + SLEEP_MS;
    lookedAt = wall;
    const seen = { nowMs: clock.now(), used, open: open() > 0, slept };
    used = false;
    const { due, ...next } = lookIdle(idle, seen, afterMs);
    idle = next;
    // It may take its time, and is not run twice at once.
    if (!due || running) return;
    running = true;
    run(command, log, () => {
      running = false;
    });
  };
  stops.push(clock.every(LOOK_EVERY_MS, look));
  return {
    [Symbol.dispose]: () => {
      for (const stop of stops) stop();
    },
  };
}

/** Tells, each time it is asked, whether Ollama was used since, also past ollana: it keeps what was used for longer. */
function lastUses(): (own: FleetView) => boolean {
  let before = new Set<string>();
  return (own) => {
    const ps = own.servers()[0]?.ps ?? [];
    const now = new Set(ps.map(({ key, expiresAt }) => `${key} ${expiresAt}`));
    const isUsed = [...now].some((one) => !before.has(one));
    before = now;
    return isUsed;
  };
}

/** The command is the owner's, word for word: nothing that a peer says is in it, nor in its environment or input. */
function run(command: string, log: Log, onEnd: () => void): void {
  log.info('nothing has been asked for a while: running the idle command', { command });
  const fail = (reason: string) => log.warn('the idle command failed', { command, reason });
  const child = spawn(command, { shell: true, stdio: 'ignore', windowsHide: true });
  // Whichever comes first: a shell that cannot be started has no exit.
  let over = false;
  const end = (reason: string | undefined) => {
    if (over) return;
    over = true;
    if (reason !== undefined) fail(reason);
    onEnd();
  };
  child.once('error', (error) => end(reasonOf(error)));
  child.once('exit', (code, signal) => end(code === 0 ? undefined : `it ended with ${code ?? signal}`));
  child.unref();
}

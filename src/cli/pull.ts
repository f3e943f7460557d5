import type { IncomingMessage } from 'node:http';
import { systemClock } from '../clock.ts';
import type { DaemonState } from '../daemon/state-file.ts';
import type { StatusReport } from '../daemon/status.ts';
import { reasonOf } from '../errors.ts';
import { advance, ended, failed, PULL_BEGUN, type PullProgress } from '../ollama/pull-progress.ts';
import { allServers, chosenServer, neverAnswered } from './chosen-servers.ts';
import { errorIn, readReport, sendToDaemon, serverOf, theDaemon } from './daemon-request.ts';
import { EXIT } from './exit-codes.ts';
import { PullBoard } from './pull-board.ts';
import { comeLines, nextBegins } from './pull-come.ts';
import { plainText } from './text.ts';

/** What `ollana pull` was told. */
export interface PullOrder {
  readonly dataDir: string;
  readonly model: string;
  /** The server to pull to, as the user calls it; undefined: the daemon chooses. */
  readonly on: string | undefined;
  /** To every server, side by side. */
  readonly all: boolean;
}

/** One pull: to a server, or to wherever the daemon chooses. */
interface Target {
  readonly name: string;
  readonly server?: string;
  /** Why it need not be tried. */
  readonly hopeless?: string | undefined;
}

/** By convention 128 + the signal's number. */
const CUT_SHORT = Object.freeze({ SIGINT: 130, SIGTERM: 143 });
/** A line of progress is some hundred bytes; Ollama's own client takes as much. */
const LONGEST_LINE = 8 * 1024 * 1024;

/**
 * Pulls a model through the running daemon and shows the progress. Returns 0 when every pull was done, 1 when one
 * was not, 130 or 143 when a signal ended them, which stops them at their servers. Throws OLLANA_NOT_RUNNING,
 * OLLANA_NO_SERVER and OLLANA_DIAL_FAILED.
 */
export async function pullModel(order: PullOrder): Promise<number> {
  const daemon = theDaemon(order.dataDir);
  const targets = await targetsOf(order, daemon);
  const stop = new AbortController();
  let cutShort: number | undefined;
  const onSignal = (signal: keyof typeof CUT_SHORT) => {
    cutShort ??= CUT_SHORT[signal];
    stop.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    const board = new PullBoard(
      process.stdout,
      systemClock,
      targets.map(({ name }) => name),
    );
    const pulls = await Promise.all(
      targets.map((target, at) =>
        pullAt(daemon, order.model, target, stop.signal, (name, progress) => board.show(at, name, progress)),
      ),
    );
    if (cutShort !== undefined) {
      process.stderr.write(`ollana: pull cancelled; ${nextBegins(pulls.map(({ progress }) => progress))}\n`);
      return cutShort;
    }
    return summary(order.model, pulls);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

async function targetsOf({ on, all }: PullOrder, daemon: DaemonState): Promise<readonly Target[]> {
  if (on === undefined && !all) return [{ name: 'a server' }];
  const report = await readReport<StatusReport>(daemon, '/ollana/api/status', ({ servers }) =>
    Array.isArray(servers),
  );
  const servers = on === undefined ? allServers(report) : [chosenServer(on, report)];
  return servers.map((server) => ({
    name: server.name,
    server: server.deviceId,
    hopeless: neverAnswered(server),
  }));
}

interface Pulled {
  readonly name: string;
  readonly progress: PullProgress;
}

/** Never rejects: what goes wrong with one pull is none of the others' business. */
async function pullAt(
  daemon: DaemonState,
  model: string,
  { name: called, server, hopeless }: Target,
  signal: AbortSignal,
  show: (name: string, progress: PullProgress) => void,
): Promise<Pulled> {
  let name = called;
  let progress = PULL_BEGUN;
  const note = (next: PullProgress) => {
    progress = next;
    show(name, progress);
  };
  try {
    if (hopeless !== undefined) throw new Error(hopeless);
    const answer = await sendToDaemon(daemon, {
      method: 'POST',
      path: '/api/pull',
      body: { model },
      server,
      signal,
    });
    name = serverOf(answer) ?? name;
    if (answer.statusCode !== 200) throw new Error((await errorIn(answer)) ?? 'it gave no progress');
    for await (const line of linesOf(answer)) note(advance(progress, line, systemClock.now()));
    note(ended(progress));
  } catch (error) {
    // What a server has said about the end counts, whatever becomes of the connection after it.
    if (progress.state === 'running') note(failed(progress, signal.aborted ? 'cancelled' : reasonOf(error)));
  }
  return { name, progress };
}

/** The lines of an answer, as they come. Rejects when it breaks off, or a line is longer than 8 MB. */
async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) throw new Error('the server sent a line without end');
    for (const line of lines) if (line.trim() !== '') yield line;
  }
  if (rest.trim() !== '') yield rest;
}

function summary(model: string, pulls: readonly Pulled[]): number {
  const done = pulls.filter(({ progress }) => progress.state === 'done');
  const names = done.map(({ name }) => name).join(', ');
  if (done.length > 0) process.stdout.write(`pulled ${plainText(model)} to ${plainText(names)}\n`);
  for (const { name, progress } of pulls) {
    if (progress.state === 'done')
      for (const line of comeLines(name, progress)) process.stdout.write(`${line}\n`);
    else process.stderr.write(`ollana: not pulled to ${plainText(name)}: ${plainText(progress.status)}\n`);
  }
  return done.length === pulls.length ? EXIT.ok : EXIT.failed;
}

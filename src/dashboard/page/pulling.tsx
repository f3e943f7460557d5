import { advance, ended, failed, PULL_BEGUN, type PullProgress } from '../../ollama/pull-progress.ts';
import { messageOf, Refused, serverOf } from './send.tsx';

/** One model on its way to a server. */
export interface Pull {
  readonly id: number;
  readonly model: string;
  /** Where to, as the reader chose it; the server's own name once it has answered. */
  readonly where: string;
  readonly progress: PullProgress;
}

/** A line of progress is some hundred bytes. */
const LONGEST_LINE = 1024 * 1024;

/** Follows a pull to its end, telling of each step. Never rejects. */
export async function follow(
  pull: Pull,
  begin: () => Promise<Response>,
  signal: AbortSignal,
  tell: (pull: Pull) => void,
): Promise<void> {
  let now = pull;
  const note = (progress: PullProgress, where = now.where) => {
    now = { ...now, where, progress };
    tell(now);
  };
  try {
    const answer = await begin();
    note(now.progress, serverOf(answer) ?? now.where);
    for await (const line of linesOf(answer)) note(advance(now.progress, line, performance.now()));
    note(ended(now.progress));
  } catch (error) {
    const where = (error instanceof Refused && error.server) || now.where;
    if (now.progress.state === 'running')
      note(
        failed(
          now.progress,
          signal.aborted ? 'cancelled; the next pull goes on from there' : messageOf(error),
        ),
        where,
      );
  }
}

/** A pull that has only been asked for. */
export function begun(id: number, model: string, where: string): Pull {
  return { id, model, where, progress: PULL_BEGUN };
}

async function* linesOf(answer: Response): AsyncGenerator<string> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    const lines = (rest + part.value).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) throw new Error('the server sent a line without end');
    for (const line of lines) if (line.trim() !== '') yield line;
  }
  if (rest.trim() !== '') yield rest;
}

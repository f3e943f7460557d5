import type { TraceView } from '../dashboard/view.ts';
import type { Considered } from '../routing/considered.ts';
import { type Column, rowLine, titleLine } from './table.ts';
import { plainText, wrap } from './text.ts';
import { inSeconds } from './trace-line.ts';

/** The terminal that nobody ever complains about. */
const COLUMNS = 80;

const SCORE_COLUMNS: readonly Column<Considered>[] = [
  { title: '', width: 2, align: 'left', cell: ({ chosen }) => (chosen ? '->' : '') },
  { title: 'SERVER', width: 20, align: 'left', cell: ({ server }) => server },
  { title: 'WAIT', width: 7, align: 'right', cell: ({ waitMs }) => inSeconds(waitMs) },
  { title: 'LOAD', width: 7, align: 'right', cell: ({ loadMs }) => inSeconds(loadMs) },
  { title: 'RUN', width: 7, align: 'right', cell: ({ runMs }) => inSeconds(runMs) },
  { title: 'ENDS IN', width: 8, align: 'right', cell: ({ finishMs }) => inSeconds(finishMs) },
  { title: 'STATE', width: 21, align: 'left', cell: stateOf },
];

/** Why a request went where it went, at most 80 columns wide, ending in a line break. Pure. */
export function whyText(trace: TraceView): string {
  const { scores, prompt_tokens, completion_tokens } = trace;
  const tokens = [prompt_tokens, completion_tokens].map((n) => (n === null ? '?' : String(n)));
  const lines = [
    `request ${trace.request_id}`,
    `${trace.model ?? '-'} by ${trace.app ?? 'an unnamed app'} at ${trace.client ?? '-'}, ${new Date(trace.timestamp * 1000).toISOString()}`,
    `${trace.status} at ${trace.node_id ?? 'no server'}: first byte ${inSeconds(trace.time_to_first_token_ms)}, whole ${inSeconds(trace.latency_ms)}, waited ${inSeconds(trace.queue_ms)}, ${tokens[0]} tokens read, ${tokens[1]} written, ${trace.retry_count} retries`,
    ...(trace.error_message === null ? [] : [`error: ${trace.error_message}`]),
    ...(trace.changed === null ? [] : [`changed: ${trace.changed}`]),
    ...(trace.reason === null ? [] : [`chosen as: ${trace.reason}`]),
  ].flatMap((line) => wrap(plainText(line), COLUMNS));
  return `${[...lines, '', ...scoreLines(scores)].join('\n')}\n`;
}

function scoreLines(scores: readonly Considered[]): string[] {
  if (scores.length === 0)
    return wrap(
      'Nothing was weighed: only one server had the model, one was named, or none took it.',
      COLUMNS,
    );
  return [
    titleLine(SCORE_COLUMNS),
    ...scores.map((score) => rowLine(SCORE_COLUMNS, score)),
    '',
    ...wrap(
      'Expected at the last choice. A free one that was within a tenth of the best may be chosen instead; lower tiers come first; waiting counts more while others are free.',
      COLUMNS,
    ),
  ];
}

function stateOf({ warm, free, tier }: Considered): string {
  const words = [free ? 'free' : 'busy', warm ? 'loaded' : 'not loaded'];
  return [...words, ...(tier === 0 ? [] : [`tier ${tier}`])].join(', ');
}

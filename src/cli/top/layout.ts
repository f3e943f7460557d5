import { rowLine, titleLine } from '../table.ts';
import { cutTo } from '../text.ts';
import { type FlexColumn, fitColumns, shareRows } from './fit.ts';
import { alarmLine, nameLine, pulseLine } from './head.ts';
import { type Known, type Link, serversIn } from './known.ts';
import { MODEL_COLUMNS, modelRows } from './models.ts';
import { REQUEST_COLUMNS, requestRows } from './requests.ts';
import { rankOf, SERVER_COLUMNS } from './servers.ts';

/** A line of the screen: plain text without any control character, and how it stands out. */
export interface TopLine {
  readonly text: string;
  readonly style: 'plain' | 'bold' | 'faint';
}

export interface TopView {
  readonly known: Known;
  readonly link: Link;
  /** Now, ms since 1970. */
  readonly wall: number;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** A terminal with fewer rows has none to spare for blank lines. */
const ROOMY = 20;
/** With fewer, only the servers are shown. */
const ROWS_FOR_REQUESTS = 9;
/** With fewer, the servers and the requests. */
const ROWS_FOR_MODELS = 13;

interface Section {
  readonly title: string;
  readonly rows: readonly TopLine[];
  /** Whether the last line is to say how many others there are: of what is not simply older. */
  readonly counts: boolean;
}

/** All that is shown, at most `rows` lines of at most `columns` columns, whatever a peer is called. Pure. */
export function topLines({ known, link, wall }: TopView, { columns, rows }: ScreenSize): readonly TopLine[] {
  const servers = serversIn(known);
  const alarm = alarmLine(known, link, columns);
  const head = [
    line(nameLine(known, columns), 'bold'),
    line(pulseLine(known, servers, columns)),
    ...(alarm === '' ? [] : [line(alarm, 'bold')]),
  ];
  const foot = rows < ROWS_FOR_REQUESTS ? [] : [line(cutTo('q ends it', columns), 'faint')];
  const gap = rows < ROOMY ? [] : [line('')];
  const sections = [
    section(SERVER_COLUMNS, shownServers(servers, rows), columns, 'none found: ollana discover', (server) =>
      server.verdict === 'reliable' ? 'plain' : 'bold',
    ),
    ...(rows < ROWS_FOR_MODELS
      ? []
      : [section(MODEL_COLUMNS, modelRows(servers, known), columns, 'none is in memory')]),
    ...(rows < ROWS_FOR_REQUESTS
      ? []
      : [
          {
            ...section(REQUEST_COLUMNS, requestRows(known, wall), columns, 'none yet', (row) =>
              row.isRunning || ['completed', 'left'].includes(row.status) ? 'plain' : 'bold',
            ),
            counts: false,
          },
        ]),
  ];
  const room = rows - head.length - foot.length - sections.length * (1 + gap.length);
  const shares = shareRows(
    Math.max(0, room),
    sections.map((one) => one.rows.length),
  );
  const body = sections.flatMap((one, i) => [
    ...gap,
    line(one.title, 'faint'),
    ...shownRows(one, shares[i] ?? 0),
  ]);
  const blanks = Math.max(0, rows - head.length - body.length - foot.length);
  const filled = foot.length > 0 ? [...Array.from({ length: blanks }, () => line('')), ...foot] : [];
  return [...head, ...body, ...filled]
    .slice(0, rows)
    .map((one) => ({ ...one, text: cutTo(one.text, columns) }));
}

function section<T>(
  columns: readonly FlexColumn<T>[],
  all: readonly T[],
  width: number,
  none: string,
  styleOf: (row: T) => TopLine['style'] = () => 'plain',
): Section {
  const fit = fitColumns(columns, width);
  // No screen has more rows than this, and there may be thousands of them.
  const rows = all.slice(0, MOST_ROWS).map((row) => line(rowLine(fit, row), styleOf(row)));
  return { title: titleLine(fit), rows: rows.length > 0 ? rows : [line(none)], counts: true };
}

/** More rows no terminal has. */
const MOST_ROWS = 1000;

/** By name, which keeps them in their place; where they cannot all be shown, those that matter most first. */
function shownServers(servers: ReturnType<typeof serversIn>, rows: number): typeof servers {
  if (servers.length <= Math.floor(rows / 4)) return servers;
  return [...servers].sort((a, b) => rankOf(a) - rankOf(b));
}

function shownRows({ rows, counts }: Section, share: number): readonly TopLine[] {
  if (rows.length <= share || !counts || share === 0) return rows.slice(0, share);
  return [...rows.slice(0, share - 1), line(`... and ${rows.length - share + 1} more`, 'faint')];
}

function line(text: string, style: TopLine['style'] = 'plain'): TopLine {
  return { text, style };
}

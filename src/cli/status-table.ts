import type { ServerStatus, StatusReport } from '../daemon/status.ts';
import { type Column, rowLine, titleLine } from './table.ts';
import { cutTo, plainText, wrap } from './text.ts';

const COLUMNS = 80;
/** A reason can quote an error of any length, and there can be many servers. */
const REASON_LINES = 3;

/** The table's columns; widths and the blanks between them add up to 79. */
const TABLE: readonly Column<ServerStatus>[] = [
  { title: 'NAME', width: 16, align: 'left', cell: ({ name }) => name },
  { title: 'ADDRESS', width: 21, align: 'left', cell: ({ url }) => url.replace(/^http:\/\//, '') },
  {
    title: 'VERDICT',
    width: 13,
    align: 'left',
    cell: ({ verdict, notPaired }) => (notPaired ? 'not paired' : verdict),
  },
  { title: 'MODELS', width: 6, align: 'right', cell: ({ models }) => String(models.length) },
  { title: 'LOADED', width: 6, align: 'right', cell: ({ loaded }) => String(loaded.length) },
  { title: 'BUSY', width: 4, align: 'right', cell: ({ inFlight }) => String(inFlight) },
  { title: 'LATENCY', width: 7, align: 'right', cell: ({ latencyMs }) => latency(latencyMs) },
];

/**
 * One daemon's report for a terminal of 80 columns, ending in a line break: what it is, its servers, and why a
 * verdict is not `reliable`. Names are other machines' words: printed as plain text, cut to their column. Pure.
 */
export function statusTable(report: StatusReport): string {
  const { servers, ollama } = report;
  const lines = [
    `ollana ${report.version}, ${report.mode} mode, ${report.name} (pid ${report.pid})`,
    `${report.url}, ${report.inFlight} in flight, since ${report.startedAt}`,
    ...(ollama
      ? [`Ollama ${ollama.url}: ${ollama.up ? 'up' : `down${ollama.reason ? `: ${ollama.reason}` : ''}`}`]
      : []),
    ...(servers.length > 0
      ? ['', ...whoUses(report), ...rows(servers), ...reasons(servers)]
      : emptyHint(report)),
    ...openDoor(report),
  ];
  return `${lines.map((line) => cutTo(plainText(line), COLUMNS)).join('\n')}\n`;
}

/** Where anybody may be anybody, that is told. */
function openDoor({ pairing }: StatusReport): string[] {
  if (pairing !== 'open') return [];
  const text =
    'Not paired: everybody on the network is trusted, and ids are not verified. `ollana device pair` closes it to others.';
  return ['', ...wrap(text, COLUMNS)];
}

/** In server mode the table is about apps of this machine only. */
function whoUses({ ollama, servers }: StatusReport): string[] {
  if (!ollama || servers.every(({ url }) => url === ollama.url)) return [];
  return ['Apps here may use all of these; other machines only the Ollama of this one:'];
}

function rows(servers: readonly ServerStatus[]): string[] {
  return [titleLine(TABLE), ...servers.map((server) => rowLine(TABLE, server))];
}

function reasons(servers: readonly ServerStatus[]): string[] {
  const given = servers.flatMap(({ name, verdict, reason, notPaired }) => {
    const text = notPaired ? `${name}: ${reason}` : `${name} is ${verdict}: ${reason}`;
    return reason ? wrap(plainText(text), COLUMNS).slice(0, REASON_LINES) : [];
  });
  return given.length > 0 ? ['', ...given] : [];
}

function emptyHint({ mode }: StatusReport): string[] {
  if (mode === 'server') return [];
  return ['', 'No server found yet: run `ollana serve` on a GPU machine, or give --server URL.'];
}

/** A duration in at most seven columns; `-` where it is not known. Pure. */
export function latency(ms: number | null): string {
  if (ms === null) return '-';
  return `${ms < 9.95 ? ms.toFixed(1) : Math.min(9_999, Math.round(ms))} ms`;
}

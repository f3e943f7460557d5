import type { AroundEvent } from '../daemon/listen-around.ts';
import { type HeardServer, usableServers } from '../daemon/look-at.ts';
import { latency } from './status-table.ts';
import { type Column, rowLine, titleLine } from './table.ts';
import { columnsOf, cutTo, plainText, wrap } from './text.ts';

/** What was listened to, and what was heard. */
export interface DiscoverReport {
  readonly seconds: number;
  /** Names of the interfaces that were listened on. */
  readonly interfaces: readonly string[];
  /** What was asked: `UDP 11436`, `mDNS`, `--server`. */
  readonly sources: readonly string[];
  /** Servers that can be used; one that is heard at two addresses is one. */
  readonly usable: number;
  readonly servers: readonly HeardServer[];
  /** `open`: nobody has to prove who it is to be used. */
  readonly pairing: 'open' | 'required';
  readonly trouble: readonly string[];
}

const COLUMNS = 80;
/** A reason can quote an error of any length, and there can be many addresses. */
const REASON_LINES = 3;

/** The table's columns; widths and the blanks between them add up to 79. */
const TABLE: readonly Column<HeardServer>[] = [
  { title: 'NAME', width: 16, align: 'left', cell: ({ name }) => name ?? '-' },
  { title: 'ADDRESS', width: 21, align: 'left', cell: ({ url }) => bare(url) },
  { title: 'HEARD BY', width: 10, align: 'left', cell: ({ sources }) => sources.join(',') },
  { title: 'ON', width: 8, align: 'left', cell: (server) => server.interface ?? '-' },
  { title: 'LATENCY', width: 7, align: 'right', cell: ({ latencyMs }) => latency(latencyMs) },
  { title: 'WHAT', width: 12, align: 'left', cell: what },
];

/**
 * What was heard for a terminal of 80 columns, ending in a line break: each address, by whom and where it was heard,
 * then why some are not used and what was in the way. Names and reasons are other machines' words: printed as plain
 * text, cut to their column. Pure.
 */
export function discoverTable(report: DiscoverReport): string {
  const { servers, trouble } = report;
  const rejected = servers.filter(({ state }) => state !== 'usable');
  const lines = [
    ...wrap(plainText(`Listened for ${report.seconds} s ${listened(report)}.`), COLUMNS),
    ...(servers.length > 0 ? ['', titleLine(TABLE), ...servers.flatMap(rows)] : []),
    ...(rejected.length > 0 ? ['', 'Not used:', ...rejected.flatMap(why)] : []),
    ...(trouble.length > 0 ? ['', 'In the way:', ...trouble.flatMap(indented)] : []),
    '',
    ...wrap(summary(report), COLUMNS),
    ...unverified(report),
  ];
  return `${lines.map((line) => cutTo(line, COLUMNS).trimEnd()).join('\n')}\n`;
}

/** Where and how is listened, e.g. `on eth0, lo (UDP 11436, mDNS)`. Pure. */
export function listened({ interfaces, sources }: Pick<DiscoverReport, 'interfaces' | 'sources'>): string {
  const on = interfaces.length > 0 ? `on ${interfaces.join(', ')}` : 'without a network';
  return `${on} (${sources.join(', ')})`;
}

/** A change on one line, as long as it is: it goes to a log as often as to a terminal. Pure. */
export function eventLine(event: AroundEvent): string {
  const time = new Date(event.at).toTimeString().slice(0, 8);
  if (event.type === 'trouble') return plainText(`${time} trouble   ${event.text}`);
  const { url, name, latencyMs, reason } = event.server;
  const on = event.server.interface === null ? '' : ` on ${event.server.interface}`;
  const who = name === null ? url : `${url} ${name}`;
  const more =
    event.type === 'heard'
      ? `by ${event.source}${on}`
      : event.type === 'usable'
        ? `${what(event.server)}, ${latency(latencyMs)}${on}`
        : (reason ?? '');
  return plainText(`${time} ${event.type.padEnd(9)} ${who}${more === '' ? '' : `: ${more}`}`);
}

/** An address too long for its column, as those of IPv6 are, gets a line of its own: it is there to be copied. */
function rows(server: HeardServer): string[] {
  const address = plainText(bare(server.url));
  const line = rowLine(TABLE, server);
  return columnsOf(address) > 21 ? [line, `  ${address}`] : [line];
}

function why({ url, reason }: HeardServer): string[] {
  const text = plainText(reason ?? 'no answer yet; listen longer with --seconds N');
  return indented(text.includes(url) ? text : `${url}: ${text}`);
}

function indented(text: string): string[] {
  return wrap(plainText(text), COLUMNS - 2)
    .slice(0, REASON_LINES)
    .map((line) => `  ${line}`);
}

function summary({ servers, usable }: DiscoverReport): string {
  if (usable > 0) {
    const addresses = servers.filter(({ state }) => state === 'usable').length;
    const at = addresses > usable ? ` at ${addresses} addresses` : '';
    return `${usable} usable ${usable === 1 ? 'server' : 'servers'}${at}, ${servers.length - addresses} not used.`;
  }
  return 'No usable server: run `ollana serve` on a GPU machine, or name one with --server URL; `ollana discover --explain` says what a firewall must let pass.';
}

/** Of servers elsewhere that would be used, anybody can have answered. */
function unverified({ servers, pairing }: DiscoverReport): string[] {
  const isOpen = pairing === 'open' && servers.some(isUnproven);
  const text =
    'Not paired: ids are not verified, and whoever answers in the place of a server reads the prompts. `ollana device pair` ends that.';
  return isOpen ? ['', ...wrap(text, COLUMNS)] : [];
}

const isUnproven = ({ state, here, url }: HeardServer): boolean =>
  state === 'usable' && !here && !url.startsWith('https:');

function what({ state, kind, code, here }: HeardServer): string {
  const isNobody = code === 'OLLANA_DIAL_FAILED' || code === 'OLLANA_UPSTREAM_SILENT' || state === 'asking';
  if (code === 'OLLANA_NOT_PAIRED') return 'not paired';
  if (state !== 'usable') return isNobody ? 'no answer' : 'rejected';
  return `${kind === 'ollama' ? 'Ollama' : 'ollana'}${here ? ', here' : ''}`;
}

const bare = (url: string): string => url.replace(/^http:\/\//, '');

/** A report of what is heard at this moment. Pure. */
export function reportOf(heard: Omit<DiscoverReport, 'usable'>): DiscoverReport {
  return { ...heard, usable: usableServers(heard.servers) };
}

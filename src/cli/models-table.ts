import type { ModelCopy, ModelReport, ModelStatus } from '../daemon/model-report.ts';
import { byteText } from './byte-text.ts';
import { type Column, rowLine, titleLine } from './table.ts';
import { columnsOf, cutTo, plainText, wrap } from './text.ts';

const COLUMNS = 80;
/** A conflict names servers, of which there can be hundreds. */
const CONFLICT_LINES = 5;
/** As many digits of a digest as `ollama list` shows. */
const SHORT_DIGEST = 12;

/** The table's columns; widths and the blanks between them add up to 79. */
const TABLE: readonly Column<ModelStatus>[] = [
  { title: 'MODEL', width: 28, align: 'left', cell: markedName },
  { title: 'SIZE', width: 7, align: 'right', cell: ({ size }) => (size === null ? '-' : byteText(size)) },
  { title: 'INSTALLED', width: 19, align: 'left', cell: ({ servers }, width) => namesIn(servers, width) },
  {
    title: 'LOADED',
    width: 14,
    align: 'left',
    cell: ({ servers }, width) =>
      namesIn(
        servers.filter(({ loaded }) => loaded),
        width,
      ),
  },
  { title: 'CONTEXT', width: 7, align: 'right', cell: ({ servers }) => contexts(servers) },
];

/**
 * The models of all servers for a terminal of 80 columns, ending in a line break. A name that means different
 * models on different servers is marked with `*` and explained below. Names are other machines' words: printed as
 * plain text, cut to their column. Pure.
 */
export function modelsTable({ models }: ModelReport): string {
  if (models.length === 0) return 'No models found: get one with `ollana pull MODEL`.\n';
  const conflicts = models.filter(differs).flatMap(explainConflict);
  const lines = [
    titleLine(TABLE),
    ...models.map((model) => rowLine(TABLE, model)),
    ...(conflicts.length > 0 ? ['', ...conflicts] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** The mark is never cut off with the end of a long name. */
function markedName(model: ModelStatus, width: number): string {
  const name = plainText(model.name);
  return differs(model) ? `${cutTo(name, width - 1)}*` : name;
}

function differs({ servers }: ModelStatus): boolean {
  return new Set(servers.map(bareDigest).filter((digest) => digest !== '')).size > 1;
}

/** As many names as fit, and how many more there are. */
function namesIn(servers: readonly ModelCopy[], width: number): string {
  if (servers.length === 0) return '-';
  const names = servers.map(({ name }) => plainText(name));
  for (let shown = names.length; shown > 0; shown--) {
    const more = names.length > shown ? ` +${names.length - shown}` : '';
    const text = names.slice(0, shown).join(', ');
    if (columnsOf(text + more) <= width) return text + more;
    if (shown === 1) return cutTo(text, width - more.length) + more;
  }
  return '-';
}

/** One context where it is the same everywhere, else the least and a sign that there are larger ones. */
function contexts(servers: readonly ModelCopy[]): string {
  const known = servers.flatMap(({ contextLength }) => (contextLength === null ? [] : [contextLength]));
  if (known.length === 0) return '-';
  const least = Math.min(...known);
  return known.every((length) => length === least) ? String(least) : `${least}+`;
}

function explainConflict(model: ModelStatus): string[] {
  const holders = new Map<string, string[]>();
  for (const copy of model.servers) {
    const digest = bareDigest(copy);
    if (digest === '') continue;
    holders.set(digest, [...(holders.get(digest) ?? []), plainText(copy.name)]);
  }
  const copies = [...holders].map(
    ([digest, names]) => `${plainText(digest).slice(0, SHORT_DIGEST)} on ${names.join(', ')}`,
  );
  const name = plainText(model.name);
  const text = `* ${name} is not the same model everywhere: ${copies.join('; ')}.`;
  const lines = wrap(text, COLUMNS);
  const shown = lines.length > CONFLICT_LINES ? [...lines.slice(0, CONFLICT_LINES), '  ...'] : lines;
  return [...shown, ...wrap(`  To make it so: ollana pull ${name} --all`, COLUMNS)];
}

const bareDigest = ({ digest }: ModelCopy): string => digest.replace(/^sha256:/, '');

import { OllanaError } from '../errors.ts';
import { eachElement, eachMember, parsedValue } from './body-scan.ts';

/** What a server answered to its share of a split request. */
export interface EmbedPart {
  /** Body of its answer. */
  readonly answer: Buffer;
  /** Inputs that it was sent. */
  readonly count: number;
}

/** How the counters of the parts become one: they worked side by side. */
const COUNTERS: ReadonlyMap<string, (a: number, b: number) => number> = new Map([
  ['prompt_eval_count', (a, b) => a + b],
  ['total_duration', (a, b) => Math.max(a, b)],
  ['load_duration', (a, b) => Math.max(a, b)],
]);

interface Edit {
  readonly from: number;
  readonly to: number;
  readonly bytes: Buffer;
}

interface Read {
  /** Which part it is, for messages. */
  readonly name: string;
  readonly json: Buffer;
  /** Top-level values: where they are. */
  readonly members: ReadonlyMap<string, readonly [from: number, to: number]>;
  /** The elements of the list, renumbered, with the commas between them. */
  readonly list: Buffer;
  /** Index of the object's closing brace. */
  readonly close: number;
  /** Of the first vector: how long it is, in the measure of its form. */
  readonly width: number;
}

/**
 * The answer that one server would have given to the whole request, as JSON bytes: `embeddings` (`/api/embed`) or
 * `data` (`/v1/embeddings`) of all parts in order, the numbers written as the servers wrote them; counts summed,
 * durations the longest; all else from the first part. Throws OLLANA_UPSTREAM_FAILED when a part is no such answer,
 * has another number of vectors than inputs, or vectors of another length.
 */
export function joinAnswers(protocol: 'ollama' | 'openai', parts: readonly EmbedPart[]): Buffer {
  const listKey = protocol === 'ollama' ? 'embeddings' : 'data';
  let position = 0;
  const reads = parts.map((part, index) => {
    const read = readPart(part, `${index + 1} of ${parts.length}`, listKey, position);
    position += part.count;
    return read;
  });
  const [first] = reads;
  if (!first) throw wrong('of 0', 'there is none');
  const other = reads.find(({ width }) => width !== first.width);
  if (other) throw wrong(other.name, 'its vectors are not as long as those of the first');
  const lists = reads.flatMap(({ list }, index) => (index === 0 ? [list] : [Buffer.from(','), list]));
  const edits = [
    edit(first, listKey, Buffer.concat([Buffer.from('['), ...lists, Buffer.from(']')])),
    ...(protocol === 'ollama' ? counters(reads, first) : usage(reads, first)),
  ];
  return applied(first.json, 0, first.json.length, edits);
}

function readPart(part: EmbedPart, name: string, listKey: string, position: number): Read {
  const { answer: json, count } = part;
  const members = new Map<string, readonly [number, number]>();
  const end = eachMember(json, 0, (key, from, to) => members.set(key, [from, to]));
  if (end < 0) throw wrong(name, 'it is no whole JSON object');
  const [listFrom = -1] = members.get(listKey) ?? [];
  const elements: (readonly [number, number])[] = [];
  const closed = eachElement(json, listFrom, count, (from, to) => elements.push([from, to]));
  const [head] = elements;
  const last = elements.at(-1);
  if (closed === -1 || !head || !last || elements.length !== count) {
    throw wrong(name, `it has no list ${listKey} of ${count}`);
  }
  const isList = listKey === 'data';
  const vectors = elements.map((element) => (isList ? memberOf(json, element[0], 'embedding') : element));
  if (
    !vectors.every((vector) => vector && (json[vector[0]] === 0x5b || (isList && json[vector[0]] === 0x22)))
  ) {
    throw wrong(name, 'a vector is missing');
  }
  const edits = isList ? elements.map(([from], index) => renumbered(json, name, from, index, position)) : [];
  const list = applied(json, head[0], last[1], edits);
  return { name, json, members, list, close: end - 1, width: widthOf(json, vectors[0] ?? head) };
}

/** Numbers are separated by commas; base64 has a length. */
function widthOf(json: Buffer, [from, to]: readonly [number, number]): number {
  if (json[from] === 0x22) return to - from;
  let commas = 0;
  for (let at = from; at < to; at += 1) if (json[at] === 0x2c) commas += 1;
  return commas;
}

function renumbered(json: Buffer, name: string, object: number, index: number, position: number): Edit {
  const at = memberOf(json, object, 'index');
  if (!at || parsedValue(json, ...at) !== index) throw wrong(name, `vector ${index} is not numbered so`);
  return { from: at[0], to: at[1], bytes: Buffer.from(String(position + index)) };
}

function memberOf(json: Buffer, object: number, wanted: string): readonly [number, number] | undefined {
  let found: readonly [number, number] | undefined;
  eachMember(json, object, (key, from, to) => {
    if (key === wanted) found = [from, to];
  });
  return found;
}

/** Counters that are nothing are left out by Ollama, so the first part may lack what another has. */
function counters(reads: readonly Read[], first: Read): Edit[] {
  const edits: Edit[] = [];
  const added: string[] = [];
  for (const [key, combine] of COUNTERS) {
    const values = reads.map((read) => numberAt(read, key)).filter((value) => value !== undefined);
    if (values.length === 0) continue;
    const value = String(values.reduce((a, b) => combine(a, b)));
    if (first.members.has(key)) edits.push(edit(first, key, Buffer.from(value)));
    else added.push(`,"${key}":${value}`);
  }
  return [...edits, { from: first.close, to: first.close, bytes: Buffer.from(added.join('')) }];
}

function usage(reads: readonly Read[], first: Read): Edit[] {
  if (!first.members.has('usage')) return [];
  const sums: Record<string, number> = {};
  for (const read of reads) {
    const [from, to] = read.members.get('usage') ?? [0, 0];
    const counts = parsedValue(read.json, from, to);
    if (typeof counts !== 'object' || counts === null) throw wrong(read.name, 'its usage is no object');
    for (const [key, value] of Object.entries(counts)) {
      if (typeof value === 'number') sums[key] = (sums[key] ?? 0) + value;
    }
  }
  return [edit(first, 'usage', Buffer.from(JSON.stringify(sums)))];
}

function numberAt(read: Read, key: string): number | undefined {
  const at = read.members.get(key);
  if (!at) return undefined;
  const value = parsedValue(read.json, ...at);
  if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(read.name, `its ${key} is no number`);
  return value;
}

function edit(read: Read, key: string, bytes: Buffer): Edit {
  const [from, to] = read.members.get(key) ?? [read.close, read.close];
  return { from, to, bytes };
}

/** The bytes of `json` from `from` to `to` with the edits made. */
function applied(json: Buffer, from: number, to: number, edits: readonly Edit[]): Buffer {
  const pieces: Buffer[] = [];
  let at = from;
  for (const change of edits.toSorted((a, b) => a.from - b.from)) {
    pieces.push(json.subarray(at, change.from), change.bytes);
    at = change.to;
  }
  return Buffer.concat([...pieces, json.subarray(at, to)]);
}

function wrong(name: string, what: string): OllanaError {
  return new OllanaError(
    'OLLANA_UPSTREAM_FAILED',
    `the answer to part ${name} of the inputs cannot be joined to the others: ${what}`,
    { status: 502 },
  );
}

/** How two answers to one request are compared; headers and status always are, to the byte. */
export type Compare =
  /** The bodies' bytes. */
  | 'exact'
  /** The bodies' bytes, after what no two answers share: times, durations, ids. */
  | 'timed'
  /** The same, and layers masked: each way has words of its own in them, some of which an earlier way shares. */
  | 'layers'
  /** Parsed, objects in any order of keys, numbers with a fraction to 2 %: the runner's arithmetic depends on its cache. */
  | 'numbers'
  /** Parsed, the lines of each text sorted: Ollama prints a model's parameters in another order each time. */
  | 'lines';

/**
 * One request of the table. In `path`, `body` and the answers, `{face}` stands for a word of each way's own, so that
 * what one way creates is not there yet for the next; `{blob}` for the SHA-256 of `blob of {face}`, and `{gguf}` for
 * that of the model file that the Ollama has.
 */
export interface Case {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  /** An object is sent as JSON; text and bytes as they are. */
  readonly body: string | Buffer | object | undefined;
  readonly chunked: number | undefined;
  readonly version: string;
  readonly compare: Compare;
  /** The status that Ollama itself is expected to give: it proves that the case asks what its name says. */
  readonly status: number;
}

export type More = Partial<Omit<Case, 'name' | 'method' | 'path'>>;

export type Row = readonly [
  status: number,
  name: string,
  method: string,
  path: string,
  body?: Case['body'],
  more?: More,
];

/** Spelled-out cases from a table's rows. */
export function cases(rows: readonly Row[], common: More = {}): Case[] {
  return rows.map(([status, name, method, path, body, more]) => ({
    headers: [],
    chunked: undefined,
    version: 'HTTP/1.1',
    compare: 'timed',
    ...common,
    ...more,
    body,
    status,
    name,
    method,
    path,
  }));
}

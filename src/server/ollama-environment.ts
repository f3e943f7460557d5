/** What Ollama's environment says about its limits, as text that others wrote. Pure. */

/** Variables of an Ollama that were read somewhere. */
export interface Environment {
  readonly variables: ReadonlyMap<string, string>;
  readonly source: 'process' | 'service';
  /** Whether a variable that is not among them is not set; else it may be set where we cannot look. */
  readonly complete: boolean;
}

/** Those that ollana reads. */
export const VARIABLES = [
  'OLLAMA_NUM_PARALLEL',
  'OLLAMA_MAX_LOADED_MODELS',
  'OLLAMA_KEEP_ALIVE',
  'OLLAMA_CONTEXT_LENGTH',
  'OLLAMA_MODELS',
] as const;

/** `/proc/<pid>/environ`: `KEY=value` with a NUL after each. Of two, the first counts, as for getenv. */
export function readProcessEnvironment(text: string): Map<string, string> {
  return toMap(text.split('\0').reverse());
}

/** What `systemctl show` prints of a unit: whether it runs, its variables and the files that add to them. */
export interface Service {
  readonly active: boolean;
  readonly variables: Map<string, string>;
  readonly files: readonly { readonly path: string; readonly optional: boolean }[];
}

/** The text of `systemctl show UNIT --property=ActiveState,Environment,EnvironmentFiles`. */
export function readService(text: string): Service {
  const lines = text.split('\n');
  const valuesOf = (key: string) =>
    lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1).trim());
  return {
    active: valuesOf('ActiveState').includes('active'),
    variables: toMap(valuesOf('Environment').flatMap(words)),
    files: valuesOf('EnvironmentFiles').flatMap((value) => {
      const [, path, optional] = /^(.+?)(?: \(ignore_errors=(yes|no)\))?$/.exec(value) ?? [];
      return path === undefined ? [] : [{ path, optional: optional === 'yes' }];
    }),
  };
}

/** An EnvironmentFile of systemd: `KEY=value` lines, `#` and `;` comments, values perhaps in quotes. */
export function readEnvironmentFile(text: string): Map<string, string> {
  const lines = text.split('\n').map((line) => line.trim());
  return toMap(
    lines
      .filter((line) => !/^[#;]/.test(line))
      .map((line) => line.replace(/^([^=]*?)\s*=\s*(.*)$/, (_, key, value) => `${key}=${unquoted(value)}`)),
  );
}

/** What `reg query HKCU\Environment` prints: name, type and value, four blanks between them. */
export function readRegistry(text: string): Map<string, string> {
  return toMap(
    text.split(/\r?\n/).flatMap((line) => {
      const [, name, value] = /^\s+(\S+)\s+REG_\w+\s+(.*?)\s*$/.exec(line) ?? [];
      // Windows knows no capitals in the names of variables.
      return name === undefined ? [] : [`${name.toUpperCase()}=${value}`];
    }),
  );
}

/** Words as systemd prints lists: blanks between them, those with blanks in quotes, escaped by backslashes. */
function words(text: string): string[] {
  return [...text.matchAll(/\$?'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|(\S+)/g)].map(
    ([, single, double, bare]) => bare ?? (single ?? double ?? '').replace(/\\(.)/g, '$1'),
  );
}

function unquoted(value: string): string {
  return /^(["']).*\1$/.test(value) ? value.slice(1, -1) : value;
}

/** Of entries with the same name the last counts. */
function toMap(entries: readonly string[]): Map<string, string> {
  const pairs = entries.flatMap((entry): [string, string][] => {
    const cut = entry.indexOf('=');
    return cut > 0 ? [[entry.slice(0, cut), entry.slice(cut + 1)]] : [];
  });
  return new Map(pairs);
}

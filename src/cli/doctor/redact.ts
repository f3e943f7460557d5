/** What a report must not tell of a person. */
export interface Private {
  /** The home directory of the user; empty: none. */
  readonly home: string;
  readonly user: string;
  readonly hostname: string;
  /** Names of other machines, in the order in which they are numbered. */
  readonly names: readonly string[];
}

/** Said in the report itself. */
export const RULES: readonly string[] = Object.freeze([
  'no prompts and no keys are in here; credentials in URLs and bearer tokens are ***',
  'home directories are ~, the user is USER, this machine is HOST, other machines are server-1, server-2, ...',
  'ids of 16 and more hex digits keep the first 8',
  'IPv4 addresses of private networks, loopback and multicast are kept, others are x.x.x.x',
  'IPv6 addresses other than ::1 and multicast are ipv6, hardware addresses are mac',
  'names of models, programs and interfaces are kept',
]);

/** Shorter names are parts of too many words. */
const LEAST_NAME = 3;
/** No person: everybody's administrator, and what machines are called that nobody named. */
const NOBODY: ReadonlySet<string> = new Set(['root', 'localhost', 'ollana', 'ollama']);
const PRIVATE_IPV4 =
  /^(10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|22[4-9]\.|23\d\.|255\.|0\.0\.0\.0)/;

/** The same value with every text in it redacted by `RULES`, and ids and paths in the names of members. Pure. */
export function redacted(value: unknown, who: Private): unknown {
  if (typeof value === 'string') return redactedText(value, who);
  if (Array.isArray(value)) return value.map((one) => redacted(one, who));
  if (typeof value !== 'object' || value === null) return value;
  // A machine may be called as a member is.
  const whoInKeys = { ...who, user: '', hostname: '', names: [] };
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [redactedText(key, whoInKeys), redacted(one, who)]),
  );
}

/** One text. Pure. */
function redactedText(text: string, { home, user, hostname, names }: Private): string {
  let out = text;
  if (home.length > 1) out = out.replaceAll(home, '~');
  out = out
    .replace(/(\/home\/|\/Users\/|[A-Za-z]:\\Users\\)[^/\\\s"']+/g, '$1USER')
    .replace(/\/\/[^/@\s]+@/g, '//***@')
    .replace(/\bBearer\s+\S+/gi, 'Bearer ***')
    .replace(/\b(ollana|sk)[-_][\w-]{16,}/g, '***')
    .replace(/\b[0-9a-f]{2}([:-][0-9a-f]{2}){5}\b/gi, 'mac')
    .replace(/\b([0-9a-f]{8})[0-9a-f]{8,}\b/gi, '$1…')
    .replace(/(?<![\d.])\d{1,3}(\.\d{1,3}){3}(?![\d.])/g, (ip) => (PRIVATE_IPV4.test(ip) ? ip : 'x.x.x.x'))
    .replace(/(?<![\w:])[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}(%[\w.-]+)?(?![\w:])/gi, (ip) =>
      isIpv6(ip) && !/^(::1|::|ff[0-9a-f]{2}:.*)$/i.test(ip) ? 'ipv6' : ip,
    );
  names.forEach((name, at) => {
    out = withoutWord(out, name, `server-${at + 1}`);
  });
  return withoutWord(withoutWord(out, hostname, 'HOST'), user, 'USER');
}

/** Times of day have colons, too. */
const isIpv6 = (text: string): boolean => text.includes('::') || text.split(':').length === 8;

function withoutWord(text: string, name: string, instead: string): string {
  if (name.length < LEAST_NAME || NOBODY.has(name)) return text;
  const escaped = name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  return text.replace(new RegExp(`(?<![\\p{L}\\p{N}_])${escaped}(?![\\p{L}\\p{N}_])`, 'giu'), instead);
}

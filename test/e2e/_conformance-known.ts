import type { Difference } from './_conformance-compare.ts';

/** A difference between Ollama and ollana before it that is meant, or that nobody can meet. */
export interface Known {
  /** As it is printed, and stands in docs/requests.md. */
  readonly title: string;
  readonly reason: string;
  /** Which cases show it, by name; undefined: any. */
  readonly cases: RegExp | undefined;
  /** What differs, by `Difference.what`. */
  readonly what: RegExp;
}

export const KNOWN: readonly Known[] = [
  {
    title:
      'what concerns ollama.com is for the own Ollama of the machine that asks; where there is none, 503',
    reason: 'a neighbour’s account is not to be seen or ended; here the Ollama is a neighbour',
    cases: /^(cloud status|who is signed in|signing out|dropping a key)/,
    what: /^(status|body|header (content-length|content-type|x-ollana-error|retry-after))$/,
  },
  {
    title: 'X-Ollana-* headers are added to answers',
    reason: 'they say which server answered, after how many attempts, and why that one',
    cases: undefined,
    what: /^header x-ollana-(server|attempts|queue-ms|reason|request-id)$/,
  },
  {
    title: 'a header of more than 64 kB is refused with 431',
    reason: 'Ollama takes 1 MB; nobody honest needs it, and it would be held for every waiting request',
    cases: /^a header of 200 kB$/,
    what: /^(status|framing|end|body|header (content-type|transfer-encoding|content-length|connection|x-ollana-error))$/,
  },
  {
    title: 'what is not HTTP is refused with 400 without a text',
    reason: "Node's parser answers it before anything of ollana sees it",
    cases:
      /^(two lengths|a length that is no number|a header name with a space|a version of HTTP that is none)$/,
    what: /^(status|body|header content-type)$/,
  },
  {
    title: 'an answer that ends with its connection is sent on in chunks',
    reason: 'so that its end can be told from a break; only a path with a broken escape shows it',
    cases: /^v1 model with a broken escape$/,
    what: /^(framing|header transfer-encoding)$/,
  },
  {
    title: 'Connection: close is also said to HTTP/1.0 clients',
    reason: 'they assume it, Node says it',
    cases: /^HTTP\/1\.0/,
    what: /^header connection$/,
  },
  {
    title: 'no Allow header in answers to a preflight or to OPTIONS that ollana gives itself',
    reason: 'who may ask is decided before the route is looked up; no browser reads it',
    cases: /preflight|OPTIONS by/,
    what: /^header allow$/,
  },
  {
    title: 'the Host [::1] without a port is allowed',
    reason: 'it is this machine; Ollama fails to parse it',
    cases: /^an IPv6 address without a port$/,
    what: /^(status|body|header (content-length|content-type))$/,
  },
];

/** The entry of the list that foresees this difference. Pure. */
export function knownAs(name: string, { what }: Difference): Known | undefined {
  return KNOWN.find((known) => known.what.test(what) && (known.cases?.test(name) ?? true));
}

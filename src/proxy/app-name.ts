import type { IncomingHttpHeaders } from 'node:http';

/** Longer is no name. */
const MAX_NAME = 64;

/** What there is to tell an app by. */
export interface AppSigns {
  readonly headers: IncomingHttpHeaders;
  /** Name of the API key that was shown. */
  readonly key: string | undefined;
  /** `metadata.tags` of the request. */
  readonly tags: readonly string[];
}

/**
 * What the app is called that sent a request: as it says itself by `X-Ollana-App`, else as the key is called that its
 * user gave it, else by the first of `metadata.tags`, else as its `User-Agent` begins; browsers are one app. Undefined
 * where nothing tells. It is said by whoever asks, so it decides nothing. Pure.
 */
export function appName({ headers, key, tags }: AppSigns): string | undefined {
  const said = headers['x-ollana-app'];
  for (const name of [typeof said === 'string' ? said : undefined, key, tags[0]]) {
    const clean = cleaned(name ?? '');
    if (clean !== '') return clean;
  }
  const agent = cleaned(/^[^\s/(]+/.exec(headers['user-agent'] ?? '')?.[0] ?? '');
  if (agent === '') return undefined;
  return agent === 'Mozilla' ? 'browser' : agent;
}

/** `metadata.tags` of a request's JSON, as far as they are text. Pure. */
export function tagsIn(metadata: unknown): readonly string[] {
  const tags = (metadata as { tags?: unknown } | null | undefined)?.tags;
  return Array.isArray(tags) ? tags.slice(0, 8).filter((tag) => typeof tag === 'string') : [];
}

const UNUSUAL = /[^\x20-\x7e]/;

function cleaned(text: string): string {
  // Unicode's classes are slow to look through, and nearly no name needs it.
  if (!UNUSUAL.test(text)) return text.trim().slice(0, MAX_NAME);
  return text.replace(/\p{C}/gu, '').trim().slice(0, MAX_NAME);
}

import type { IncomingMessage } from 'node:http';
import type { Clock } from '../clock.ts';
import { OllanaError } from '../errors.ts';
import { modelKey } from '../ollama/names.ts';
import { pathOf, type Route } from '../ollama/routes.ts';
import { type ApiKey, looksLikeKey } from '../security/api-key.ts';
import { type Bucket, takeOne } from '../security/token-bucket.ts';
import type { AppKey, Exchange } from './exchange.ts';
import { comesFromOllana } from './own-app.ts';
import type { Asked } from './want.ts';

export interface KeyGateOptions {
  readonly clock: Clock;
  /** The key that is shown, if it is one of this installation's. */
  readonly find: (shown: string) => ApiKey | undefined;
  /** Whether requests without one of these keys are refused; asked for each. */
  readonly required: () => boolean;
  /** Whether this is what this installation's own commands show; that counts from this machine only. */
  readonly isCommandKey: (shown: string) => boolean;
}

/** Where a key is shown: OpenAI's clients and those who can set a header, and Anthropic's. */
const HEADERS = ['authorization', 'x-api-key'] as const;

/** Knows the apps by the keys that they show, and takes those out of their requests. */
export class KeyGate {
  readonly #options: KeyGateOptions;
  /** By name; no more than there are keys. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: KeyGateOptions) {
    this.#options = options;
  }

  /** Notes whose key a request shows, without refusing anything. */
  recognise(exchange: Exchange): void {
    const { find, isCommandKey } = this.#options;
    for (const shown of candidates(shownIn(exchange.request)).slice(0, MAX_SHOWN)) {
      if (exchange.fromHere && isCommandKey(shown)) exchange.isOwnCommand = true;
      const key = find(shown);
      if (key) exchange.key ??= appKey(key);
    }
  }

  /**
   * Takes this installation's keys out of a request that may go on to a server: nobody else is to see them. Then throws
   * OLLANA_NO_KEY (401) for one that is missing where one is required, and OLLANA_RATE_LIMITED (429, with the time to
   * wait) for one that has been used too often.
   */
  admit(exchange: Exchange): void {
    const { find, isCommandKey, required } = this.#options;
    const shown = new Set(shownIn(exchange.request));
    const likely = candidates([...shown]);
    if (likely.length > MAX_SHOWN)
      throw new OllanaError('OLLANA_BAD_REQUEST', `a request shows at most ${MAX_SHOWN} API keys`, {
        status: 400,
      });
    const ours = new Set(likely.filter((text) => find(text) !== undefined || isCommandKey(text)));
    if (ours.size > 0) dropHeaders(exchange.request, ours);
    if (required() && !exchange.key && !exchange.isOwnCommand && !isOpen(exchange)) {
      exchange.extraHeaders.push('WWW-Authenticate', 'Bearer');
      throw new OllanaError(
        'OLLANA_NO_KEY',
        shown.size > 0
          ? 'the API key of this request is not known here: `ollana key list` on this machine shows those that are, `ollana key add NAME` makes one'
          : 'this ollana asks for an API key, as "Authorization: Bearer KEY" or "x-api-key: KEY": `ollana key add NAME` on this machine makes one',
        { status: 401 },
      );
    }
    if (exchange.key) this.#count(exchange.key);
  }

  /** Throws OLLANA_NOT_ALLOWED (403) when a request's key is for other models than it asks for. */
  judge({ key, route, target }: Exchange, { model, unread }: Asked): void {
    if (!key?.models) return;
    const wrong = judgeModel({ ...key, models: key.models }, route, pathOf(target), model, unread);
    if (wrong !== undefined) throw new OllanaError('OLLANA_NOT_ALLOWED', wrong, { status: 403 });
  }

  #count({ name, rate }: AppKey): void {
    if (!rate) return;
    const { bucket, waitMs } = takeOne(rate, this.#buckets.get(name), this.#options.clock.now());
    this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    // Of keys that have been removed the oldest goes first.
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MAX_BUCKETS && oldest !== undefined) this.#buckets.delete(oldest);
    if (waitMs === 0) return;
    const retryAfterS = Math.ceil(waitMs / 1000);
    throw new OllanaError(
      'OLLANA_RATE_LIMITED',
      `key ${name} has used up its rate of ${rate.count} requests: wait ${retryAfterS} s`,
      { status: 429, retryAfterS },
    );
  }
}

/** One in each header is all that makes sense; each costs a look at the files. */
const MAX_SHOWN = 4;
/** More than there may be keys at a time. */
const MAX_BUCKETS = 512;

/**
 * What needs no key: whether somebody is here and which version, as health checks ask; and lists for another ollana,
 * which chooses servers by them and hears the same on the watch stream.
 */
function isOpen(exchange: Exchange): boolean {
  const { route } = exchange;
  if (route.class === 'liveness' || route.path === '/api/version') return true;
  return route.class === 'aggregate' && comesFromOllana(exchange.request);
}

/** Why a key that is for some models may not have this; undefined: it may. Pure. */
function judgeModel(
  { name, models }: { readonly name: string; readonly models: readonly string[] },
  route: Route,
  path: string,
  model: string | undefined,
  unread: boolean,
): string | undefined {
  const list = models.join(', ');
  switch (route.class) {
    case 'liveness':
    case 'aggregate':
      return undefined;
    case 'inference':
    case 'holder': {
      if (unread)
        return `key ${name} is for ${list}, and this request cannot be looked through for its model: send it smaller, or not compressed`;
      // Ollama says what is wrong with a request that names none.
      if (model === undefined) return undefined;
      const wanted = modelKey(model);
      return models.some((one) => modelKey(one) === wanted)
        ? undefined
        : `key ${name} is for ${list}, not for ${model}: \`ollana key\` on this machine makes another`;
    }
    default:
      return `key ${name} is for running ${list}, not for ${path}: use a key without --models`;
  }
}

function appKey({ name, models, rate }: ApiKey): AppKey {
  return { name, ...(models && { models }), ...(rate && { rate }) };
}

/** The different ones that can be keys of an ollana. Pure. */
function candidates(shown: readonly string[]): string[] {
  return [...new Set(shown)].filter(looksLikeKey);
}

/** Whatever is shown in place of a key, ours or not. */
function shownIn({ rawHeaders }: IncomingMessage): string[] {
  const shown: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const text = keyIn(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '');
    if (text !== undefined) shown.push(text);
  }
  return shown;
}

/** The key in a header's value, without its scheme (RFC 6750); undefined where there is none. Pure. */
function keyIn(header: string, value: string): string | undefined {
  const name = header.toLowerCase();
  if (name === 'x-api-key') return value.trim();
  return name === 'authorization' ? /^Bearer +(\S+) *$/i.exec(value)?.[1] : undefined;
}

/**
 * Takes the headers that show one of our keys out of the request itself, so that no way of sending it on can forget to.
 */
function dropHeaders(request: IncomingMessage, ours: ReadonlySet<string>): void {
  const { rawHeaders, headers } = request;
  for (let i = rawHeaders.length - 2; i >= 0; i -= 2) {
    const text = keyIn(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '');
    if (text !== undefined && ours.has(text)) rawHeaders.splice(i, 2);
  }
  for (const name of HEADERS) {
    const text = keyIn(name, String(headers[name] ?? ''));
    if (text !== undefined && ours.has(text)) delete headers[name];
  }
}

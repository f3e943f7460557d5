import { scanTopLevel } from './body-scan.ts';
import { isKnownPath, pathOf } from './routes.ts';

/** What Ollama writes, to the letter. */
const JSON_TYPE = 'application/json; charset=utf-8';
const LINES = 'application/x-ndjson';
const EVENTS = 'text/event-stream';
const TEXT = 'text/plain; charset=utf-8';

/** Routes that answer in lines unless they are told `"stream":false`. */
const LINES_BY_DEFAULT: ReadonlySet<string> = new Set([
  '/api/chat',
  '/api/generate',
  '/api/pull',
  '/api/push',
  '/api/create',
]);

/** Routes that have done what they were told when they say nothing. */
const WORDLESS = /^\/api\/(copy$|delete$|blobs\/)/;

const STREAM = new Set(['stream']);

export interface AnswerFacts {
  /** Path and query of the request. */
  readonly target: string;
  /** The request's body; undefined for one that is not all there. */
  readonly body: Buffer | undefined;
  readonly status: number;
}

/**
 * The Content-Type that Ollama gave an answer, for one that has lost it on the way: it follows from the request.
 * Undefined where Ollama gives none, or where only Ollama knows. Pure.
 */
export function answerType({ target, body, status }: AnswerFacts): string | undefined {
  const path = pathOf(target);
  if (status < 200 || status === 204 || status === 304) return undefined;
  if (!isKnownPath(path)) return undefined;
  if (path === '/') return TEXT;
  if (status >= 400) return JSON_TYPE;
  if (WORDLESS.test(path)) return undefined;
  const stream = body && scanTopLevel(body, STREAM).get('stream');
  if (path.startsWith('/v1/')) return stream === true ? EVENTS : JSON_TYPE;
  return LINES_BY_DEFAULT.has(path) && stream !== false ? LINES : JSON_TYPE;
}

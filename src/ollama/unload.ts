import type { Peeked } from './peek.ts';

/** The routes that take `keep_alive`, and the field without which they do nothing but load or unload. */
const CONTENT_OF: ReadonlyMap<string, string> = new Map([
  ['/api/generate', 'prompt'],
  ['/api/chat', 'messages'],
  ['/api/embed', 'input'],
  ['/api/embeddings', 'prompt'],
]);

/** A Go duration that is nothing: `0`, `0s`, `-0h0.0m`. Each part can match in one way only. */
const ZERO_DURATION = /^[+-]?(?:0|(?:(?:0+(?:\.0*)?|\.0+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;

/**
 * Whether a POST to `path` gives a model nothing to work on, so that it is loaded or unloaded and no more. False for a
 * body of which only the beginning was seen. Pure.
 */
export function isWorkless(path: string, peeked: Peeked): boolean {
  const content = CONTENT_OF.get(path);
  return content !== undefined && peeked.complete && !peeked.content.has(content);
}

/**
 * Whether a POST to `path` asks for a model to be unloaded: nothing to work on and `keep_alive` zero
 * (server/routes.go: GenerateHandler, ChatHandler; api/types.go: Duration). False for a body of which only the
 * beginning was seen. The two embedding routes have no unload of their own: they load the model if need be and
 * let it go at once, so they are for servers that have it loaded. Pure.
 */
export function isUnload(path: string, peeked: Peeked): boolean {
  if (peeked.model === undefined || !isWorkless(path, peeked)) return false;
  return isZero(peeked.fields.get('keep_alive'));
}

/** Numbers are seconds and become whole nanoseconds; negative ones mean for ever. */
function isZero(keepAlive: unknown): boolean {
  if (typeof keepAlive === 'number') return keepAlive >= 0 && keepAlive * 1e9 < 1;
  return typeof keepAlive === 'string' && ZERO_DURATION.test(keepAlive);
}

import type { Fetched } from '../ollama/client.ts';
import { parseJson } from '../ollama/parse-json.ts';

/** What answers of an ollana 0.1 to 0.6 have for a Content-Type: they pass no header on. */
const LOST_TYPES: ReadonlySet<string> = new Set(['', 'application/octet-stream']);

/** Where an ollana says of what kind an error of its own is; lower case, as Node has the names of headers. */
export const ERROR_HEADER = 'x-ollana-error';

/** Whether an answer has lost its type, as all do that an ollana 0.1 to 0.6 passes on. Pure. */
export function isFromOldOllana({ contentType }: Fetched): boolean {
  return LOST_TYPES.has(contentType);
}

/** Whether a body is what Ollama answers when it is asked for its version. Pure. */
export function hasVersion(body: Buffer): boolean {
  return typeof parseObject(body)?.version === 'string';
}

/** The JSON object that a body holds; undefined if it holds anything else. Pure. */
export function parseObject(body: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = parseJson(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // Not JSON, so not what we asked for; the caller says so.
  }
}

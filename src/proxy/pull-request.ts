import { parseJson } from '../ollama/parse-json.ts';

/** A pull that asks for a model and for nothing else. */
export interface PlainPull {
  /** As the client spelled it. */
  readonly model: string;
  /** It wants lines of progress. */
  readonly streams: boolean;
}

/** A name and what is around it. */
const MAX_BYTES = 16 * 1024;

/**
 * Reads the body of a pull; undefined for one that says more than which model (a registry in the clear, a name and
 * password), or says it in a way that Ollama might read otherwise. Pure.
 */
export function readPlainPull(body: Buffer): PlainPull | undefined {
  if (body.length > MAX_BYTES) return undefined;
  let value: unknown;
  try {
    value = parseJson(body.toString('utf8'));
  } catch {
    return undefined; // Ollama says what is wrong with it.
  }
  const { model, name, stream, ...more } = (value ?? {}) as Record<string, unknown>;
  // Ollama's own command writes all fields that there are, and leaves most of them empty.
  const isEmpty = (one: unknown) => one === undefined || one === null || one === '' || one === false;
  const wanted = isEmpty(model) ? name : model;
  const isOne = isEmpty(model) || isEmpty(name) || model === name;
  if (typeof wanted !== 'string' || wanted === '' || !isOne || !Object.values(more).every(isEmpty))
    return undefined;
  if (!isEmpty(stream) && stream !== true) return undefined;
  return { model: wanted, streams: stream !== false };
}

import { eachMember, MAX_VALUE_BYTES, parsedValue } from './body-scan.ts';
import { type Extent, isPromptPart, marksOf, type PrefixMark } from './prefix-hashes.ts';
import { BYTES_PER_TOKEN } from './prompt-hash.ts';

/** What a request asks of a GPU. */
export interface ScannedWork {
  /** Places in the prompt up to which a server may have it in its cache. */
  readonly marks: readonly PrefixMark[];
  /** Tokens of the whole prompt, estimated; 0 when there is none or it could not be read. */
  readonly promptTokens: number;
  /** Tokens of the answer, at most; undefined when the client leaves it to the model. */
  readonly maxOutputTokens: number | undefined;
  /** The context size that the client wants, tokens. */
  readonly numCtx: number | undefined;
}

/** What the limit of an answer is called in the APIs of OpenAI and Anthropic. */
const LIMITS = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'];

/** Reads out of a request body how much work it is. Undefined is a body that could not be read. Pure; never throws. */
export function scanWork(json: Buffer | undefined): ScannedWork {
  const extents = new Map<string, Extent>();
  const values = new Map<string, unknown>();
  if (json) {
    eachMember(json, 0, (key, from, to) => {
      if (isPromptPart(key)) extents.set(key, { from, to });
      else if ((key === 'options' || LIMITS.includes(key)) && to - from <= MAX_VALUE_BYTES)
        values.set(key, parsedValue(json, from, to));
    });
  }
  const marks = json ? marksOf(json, extents) : [];
  const options = new Map(Object.entries(values.get('options') ?? {}));
  const limits = [options.get('num_predict'), ...LIMITS.map((key) => values.get(key))];
  return {
    marks,
    promptTokens: marks.at(-1)?.tokens ?? unmarkedTokens(extents),
    maxOutputTokens: limits.map(countOf).find((limit) => limit !== undefined),
    numCtx: countOf(options.get('num_ctx')),
  };
}

/** Tokens of a prompt without marks: texts to embed, several prompts, more messages than are marked. */
function unmarkedTokens(extents: ReadonlyMap<string, Extent>): number {
  const parts = ['messages', 'input', 'prompt'].map((key) => extents.get(key));
  const { from, to } = parts.find((extent) => extent !== undefined) ?? { from: 0, to: 0 };
  return Math.ceil((to - from) / BYTES_PER_TOKEN);
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined;
}

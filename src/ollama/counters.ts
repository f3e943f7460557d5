import type { Protocol } from './routes.ts';

/** What an answer tells of its own making. Tokens, and milliseconds; only Ollama's own protocol tells times. */
export interface Counters {
  /** Those that the prompt cache held are among them. */
  readonly promptTokens?: number;
  /** Of those, the ones that the prompt cache held; few servers tell. */
  readonly cachedTokens?: number;
  /** Spent on the tokens that no cache held. */
  readonly promptMs?: number;
  readonly outputTokens?: number;
  readonly outputMs?: number;
  /** Some versions count waiting for a slot too. */
  readonly loadMs?: number;
}

export interface AnswerEnd {
  readonly protocol: Protocol;
  readonly framing: 'ndjson' | 'sse' | 'none';
  /** The last bytes of the answer, at least 8 kB of it or all; may begin anywhere. */
  readonly tail: string;
  /** Only JSON, event streams and lines of JSON have counters; undefined counts as one of them. */
  readonly contentType?: string | undefined;
}

/** A single chunk of any size may be the tail; what counts stands at its end. */
const MAX_CHARS = 64 * 1024;
/** The event with the counters is followed by one or two others. */
const LAST_LINES = 8;
/** Counters with their names take some 250 characters. */
const COUNTER_CHARS = 1024;
const MAX_NUMBER = 1e15;
const NS_PER_MS = 1e6;

type Fields = Readonly<Record<string, unknown>>;

/** Reads the counters at the end of an answer; undefined when there are none. Never throws. Pure. */
export function readCounters({ protocol, framing, tail, contentType }: AnswerEnd): Counters | undefined {
  if (contentType !== undefined && !/json|event-stream/i.test(contentType)) return undefined;
  const text = tail.slice(-MAX_CHARS).trimEnd();
  if (protocol === 'ollama') return ofOllama(framing === 'ndjson' ? lastLine(text) : text);
  const usage = framing === 'sse' ? usageOfEvents(protocol, text) : usageOfWhole(text);
  return usage && ofUsage(protocol, usage);
}

function ofOllama(line: string): Counters | undefined {
  const whole = parse(line);
  if (whole?.done === false) return undefined;
  const end = line.slice(-COUNTER_CHARS);
  const read = (name: string) => numberOf(whole ? whole[name] : lastNumber(end, name));
  const ms = (name: string) => {
    const ns = read(name);
    return ns === undefined ? undefined : ns / NS_PER_MS;
  };
  return compact({
    promptTokens: read('prompt_eval_count'),
    promptMs: ms('prompt_eval_duration'),
    outputTokens: read('eval_count'),
    outputMs: ms('eval_duration'),
    loadMs: ms('load_duration'),
  });
}

function ofUsage(protocol: Protocol, usage: Fields): Counters | undefined {
  const isOpenAi = protocol === 'openai';
  return compact({
    promptTokens: numberOf(isOpenAi ? usage.prompt_tokens : usage.input_tokens),
    cachedTokens: numberOf(cachedIn(usage)),
    outputTokens: numberOf(isOpenAi ? usage.completion_tokens : usage.output_tokens),
  });
}

/** As Chat Completions and Responses call it; what Anthropic's Messages count apart is not among the prompt's. */
function cachedIn(usage: Fields): unknown {
  const details = fieldsOf(usage.prompt_tokens_details) ?? fieldsOf(usage.input_tokens_details);
  return details?.cached_tokens;
}

function usageOfEvents(protocol: Protocol, text: string): Fields | undefined {
  const lines = text.split('\n').filter((line) => !/^(event|id|retry):|^\r?$/.test(line));
  for (const line of lines.slice(-LAST_LINES).reverse()) {
    const event = parse(line.replace(/^data:/, ''));
    // An event that does not fit is the one that repeats the whole answer: its beginning is cut off.
    if (!event) {
      if (protocol === 'responses' && line === lines[0]) return lastUsage(line);
      continue;
    }
    // The first event of this protocol has usage too, from before anything was written.
    if (protocol === 'anthropic' && event.type !== 'message_delta') continue;
    const holder = protocol === 'responses' ? fieldsOf(event.response) : event;
    const usage = fieldsOf(holder?.usage);
    if (usage) return usage;
  }
  return undefined;
}

function usageOfWhole(text: string): Fields | undefined {
  const whole = parse(text);
  return whole ? fieldsOf(whole.usage) : lastUsage(text);
}

/** The last `"usage":{...}`; inside a JSON string its quotes would be escaped. */
function lastUsage(text: string): Fields | undefined {
  const start = text.lastIndexOf('"usage"');
  if (start < 0) return undefined;
  const rest = text.slice(start + '"usage"'.length, start + COUNTER_CHARS);
  // Objects inside usage have no objects inside them.
  const object = /^\s*:\s*(\{(?:[^{}]|\{[^{}]*\})*\})/.exec(rest)?.[1];
  return object === undefined ? undefined : parse(object);
}

function lastLine(text: string): string {
  return text.slice(text.lastIndexOf('\n') + 1);
}

function lastNumber(text: string, name: string): number | undefined {
  const at = text.lastIndexOf(`"${name}"`);
  const found = at < 0 ? undefined : /^\s*:\s*(\d+)\s*[,}]/.exec(text.slice(at + name.length + 2))?.[1];
  return found === undefined ? undefined : Number(found);
}

function parse(text: string): Fields | undefined {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= MAX_NUMBER ? value : undefined;
}

function compact(counters: { [K in keyof Counters]: number | undefined }): Counters | undefined {
  const known = Object.entries(counters).filter(([, value]) => value !== undefined);
  return known.length > 0 ? (Object.fromEntries(known) as Counters) : undefined;
}

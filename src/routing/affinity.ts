import { FIRST_MARKS, MAX_MARKS, type PrefixMark } from '../ollama/prefix-hashes.ts';

/** A model idle for long is unloaded and its cache with it; Ollama's own default is 5 minutes, agents ask for more, ms. */
const KEPT_MS = 30 * 60_000;
/** Conversations that a server is believed to have in its cache, per model. */
const MAX_CONVERSATIONS = 8;
/** Bounds of all that is remembered together: a mark is about 100 bytes. */
const MAX_TOTAL_MARKS = 20_000;
const MAX_PAIRS = 4096;

interface Conversation {
  readonly marks: readonly PrefixMark[];
  readonly atMs: number;
}

/** A server and a model on it. */
interface Pair {
  readonly deviceId: string;
  readonly modelKey: string;
  /** Oldest first. */
  readonly conversations: Set<Conversation>;
  /** The newest conversation that a mark is in. */
  readonly newest: Map<string, Conversation>;
}

/**
 * Remembers which prompts ran on which server, so that a conversation can go on where its beginning is in the
 * prompt cache. What a server really kept is not known: this is a term of an estimate, no promise. Times are of
 * one monotonic clock, ms.
 */
export class Affinity {
  /** The one that ran longest ago first. */
  readonly #pairs = new Set<Pair>();
  /** The same by model and device: a choice asks for every server, and making a key of both would cost most of it. */
  readonly #byModel = new Map<string, Map<string, Pair>>();
  #marks = 0;

  /** Remembers that this prompt ran there. One that goes on with a remembered conversation replaces it. */
  ran(deviceId: string, modelKey: string, marks: readonly PrefixMark[], nowMs: number): void {
    if (marks.length === 0) return;
    const pair = this.#find(deviceId, modelKey) ?? this.#add(deviceId, modelKey);
    this.#pairs.delete(pair);
    this.#pairs.add(pair);
    const hashes = new Set(marks.map(({ hash }) => hash));
    for (const old of pair.conversations)
      if (isOld(old, nowMs) || hashes.has(lastHash(old))) this.#drop(pair, old);
    const conversation = { marks, atMs: nowMs };
    pair.conversations.add(conversation);
    this.#marks += marks.length;
    for (const hash of hashes) pair.newest.set(hash, conversation);
    const [oldest] = pair.conversations;
    if (oldest && pair.conversations.size > MAX_CONVERSATIONS) this.#drop(pair, oldest);
    this.#shrink();
  }

  /** Tokens at the beginning of this prompt that the server is expected to have in its cache, estimated. */
  cachedTokens(deviceId: string, modelKey: string, marks: readonly PrefixMark[], nowMs: number): number {
    const newest = this.#find(deviceId, modelKey)?.newest;
    if (!newest) return 0;
    for (let index = marks.length - 1; index >= 0; index -= 1) {
      const mark = marks[index];
      const conversation = mark && newest.get(mark.hash);
      if (!conversation || isOld(conversation, nowMs)) continue;
      return (mark.hash === lastHash(conversation) ? answerAfter(marks, index) : undefined) ?? mark.tokens;
    }
    return 0;
  }

  /** Forgets what ran on a server, or what one model ran there: it was unloaded, or the server restarted. */
  forget(deviceId: string, modelKey?: string): void {
    if (modelKey === undefined) {
      for (const pair of this.#pairs) if (pair.deviceId === deviceId) this.#forgetPair(pair);
      return;
    }
    const pair = this.#find(deviceId, modelKey);
    if (pair) this.#forgetPair(pair);
  }

  #find(deviceId: string, modelKey: string): Pair | undefined {
    return this.#byModel.get(modelKey)?.get(deviceId);
  }

  #add(deviceId: string, modelKey: string): Pair {
    const pair: Pair = { deviceId, modelKey, conversations: new Set(), newest: new Map() };
    const devices = this.#byModel.get(modelKey);
    if (devices) devices.set(deviceId, pair);
    else this.#byModel.set(modelKey, new Map([[deviceId, pair]]));
    return pair;
  }

  #shrink(): void {
    for (const pair of this.#pairs) {
      if (this.#pairs.size <= MAX_PAIRS && this.#marks <= MAX_TOTAL_MARKS) return;
      this.#forgetPair(pair);
    }
  }

  #forgetPair(pair: Pair): void {
    const { deviceId, modelKey, conversations } = pair;
    this.#pairs.delete(pair);
    const devices = this.#byModel.get(modelKey);
    devices?.delete(deviceId);
    if (devices?.size === 0) this.#byModel.delete(modelKey);
    for (const { marks } of conversations) this.#marks -= marks.length;
  }

  #drop({ conversations, newest }: Pair, old: Conversation): void {
    conversations.delete(old);
    this.#marks -= old.marks.length;
    for (const { hash } of old.marks) if (newest.get(hash) === old) newest.delete(hash);
  }
}

/**
 * Tokens up to the end of the answer that follows the mark at `index`: the server that ran the prompt up to there
 * wrote it, so it is in its cache too. Undefined when none follows.
 */
function answerAfter(marks: readonly PrefixMark[], index: number): number | undefined {
  // Between the first and the last marks of a very long prompt are messages without one.
  if (index === FIRST_MARKS - 1 && marks.length === MAX_MARKS) return undefined;
  let end = index;
  while (marks[end + 1]?.assistant) end += 1;
  return end > index ? marks[end]?.tokens : undefined;
}

function isOld({ atMs }: Conversation, nowMs: number): boolean {
  return nowMs - atMs > KEPT_MS;
}

function lastHash({ marks }: Conversation): string {
  return marks.at(-1)?.hash ?? '';
}

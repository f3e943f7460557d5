/** What a prompt is to show: how soon an answer begins, how fast a prompt is read, how fast an answer is written. */
export type PromptKind = 'chat' | 'reading' | 'writing';

export interface BenchmarkPrompt {
  readonly kind: PromptKind;
  /** Tokens that it takes about; only Ollama counts them. */
  readonly aboutTokens: number;
  /** Most tokens that its answer may have. */
  readonly maxTokens: number;
}

/**
 * What is asked in each round, in this order. The long prompt and its answer fit into 2048 tokens, the least context
 * that an Ollama has had as its default: another `num_ctx` would load the model anew.
 */
export const PROMPTS: readonly BenchmarkPrompt[] = Object.freeze([
  { kind: 'chat', aboutTokens: 40, maxTokens: 48 },
  { kind: 'reading', aboutTokens: 1400, maxTokens: 24 },
  { kind: 'writing', aboutTokens: 60, maxTokens: 256 },
]);

/** Lines of the herd's log in the long prompt, some 24 tokens each. */
const LOG_LINES = 56;
const PLACES = ['the lower meadow', 'the old quarry', 'the stream', 'the walled orchard', 'the north ridge'];
const WEATHER = [
  'clear and cold',
  'drizzle until noon',
  'fog in the valley',
  'a dry wind',
  'sun after frost',
];
const EVENTS = [
  'one cria limped and was carried home',
  'the dog found the gap in the fence',
  'two walkers asked for the way',
  'all were shorn before evening',
  'nobody wanted to cross the bridge',
  'a lamb had joined them by mistake',
  'the vet looked at the eldest',
];

/**
 * The words of a prompt. `mark` comes first and is another one each time: a server that has read the same beginning
 * before would take it from its cache, and show a speed that no reading has. Pure.
 */
export function promptText(kind: PromptKind, mark: string): string {
  return `Note ${mark}.\n${WORDS[kind]()}`;
}

const WORDS: Readonly<Record<PromptKind, () => string>> = {
  chat: () =>
    'A guest comes at seven and eats no meat. Say in two sentences what I could cook for the two of us.',
  reading: () =>
    `This is the log of a herd of llamas.\n${herdLog()}\nName the place where they were most often, in one sentence.`,
  writing: () =>
    'Tell the story of a lighthouse keeper who repairs an old radio and hears a station that closed down forty years ago. Take your time: describe the tower, the storm, and each voice. Write at least five paragraphs.',
};

function herdLog(): string {
  return Array.from({ length: LOG_LINES }, (_, day) => {
    const at = <T>(list: readonly T[], step: number) => list[(day * step) % list.length];
    const count = 9 + ((day * 7) % 23);
    return `Day ${day + 1}: ${count} llamas at ${at(PLACES, 3)}, ${at(WEATHER, 2)}; ${at(EVENTS, 5)}.`;
  }).join('\n');
}

import { send } from './_simulate-client.ts';

/** One way of asking. */
export interface Shape {
  readonly path: string;
  readonly body: object | undefined;
  readonly streamed: boolean;
}

export type Ending =
  /** All of the answer, with its marker where it is streamed. */
  | 'whole'
  /** It had begun, and the client was told that it broke off. */
  | 'cut'
  /** Nothing of an answer came. */
  | 'unserved'
  /** It looks whole and is not. */
  | 'false-end';

export interface Ended {
  readonly ending: Ending;
  readonly shape: Shape;
  /** It has the marker of its end, or, where it is not streamed, is JSON. */
  readonly marked: boolean;
  readonly server: string | undefined;
  readonly attempts: number;
  readonly sentMs: number;
  readonly tookMs: number;
  /** For people: what came last, or what went wrong. */
  readonly detail: string;
}

/** Every protocol, streamed and not, short answers and whole ones. */
export function shapes(model: string, embedder: string): Shape[] {
  const found: Shape[] = [];
  const prompts = ['Why is the sky blue?', 'Why? '.repeat(40), 'A longer story follows. '.repeat(120)];
  for (const prompt of prompts) {
    const messages = [{ role: 'user', content: prompt }];
    for (const streamed of [true, true, false]) {
      for (const limit of [8, 200]) {
        const options = { num_predict: limit };
        const openAi = { model, stream: streamed, messages, max_tokens: limit };
        const add = (path: string, body: object) => found.push({ path, body, streamed });
        add('/api/chat', { model, messages, stream: streamed, options });
        add('/api/generate', { model, prompt, stream: streamed, options });
        add('/v1/chat/completions', openAi);
        add('/v1/messages', openAi);
        add('/v1/responses', { model, stream: streamed, input: prompt, max_output_tokens: limit });
      }
    }
    found.push({ path: '/api/embed', body: { model: embedder, input: [prompt] }, streamed: false });
  }
  found.push({ path: '/api/tags', body: undefined, streamed: false });
  found.push({ path: '/v1/models', body: undefined, streamed: false });
  return found;
}

/** Sends one request; `expected` is the text of its whole answer, undefined where that does not matter. */
export async function request(
  url: string,
  shape: Shape,
  expected: string | undefined,
  begun: number,
): Promise<Ended & { readonly text: string }> {
  const sentMs = performance.now() - begun;
  const answer = await send({ url }, shape.path, shape.body).answer;
  const { text, marked, told } = read(answer.text, shape);
  const right = expected === undefined || text === expected;
  const broke = told !== undefined || !answer.complete || answer.error !== undefined;
  let ending: Ending = marked && right && !broke ? 'whole' : 'false-end';
  if (answer.status !== 200 || answer.text === '') ending = 'unserved';
  else if (broke) ending = 'cut';
  return {
    ending,
    shape,
    text,
    marked,
    server: answer.headers['x-ollana-server'] as string | undefined,
    attempts: Number(answer.headers['x-ollana-attempts'] ?? 0),
    sentMs: Math.round(sentMs),
    tookMs: Math.round(performance.now() - begun - sentMs),
    detail: `${answer.status} ${answer.error ?? ''} ${told ?? ''} ${answer.text.slice(-200)}`,
  };
}

/** What an answer says: its words, whether it ended with its marker, the error it tells of. */
function read(body: string, { path, streamed }: Shape): { text: string; marked: boolean; told?: string } {
  let text = '';
  let marked = false;
  let told: string | undefined;
  const lines = streamed ? body.split('\n') : [body];
  for (const line of lines.map((one) => one.replace(/^data: /, ''))) {
    if (line === '' || line.startsWith('event:')) continue;
    if (line === '[DONE]') {
      marked = true;
      continue;
    }
    const value = parsed(line);
    if (value === undefined) continue;
    text += wordsIn(value, path, streamed);
    if (/error|failed/.test(String(value.type)) || value.error) told = line.slice(0, 200);
    const ended = value.done === true || ['message_stop', 'response.completed'].includes(String(value.type));
    marked ||= ended || !streamed;
  }
  return { text, marked, ...(told !== undefined && { told }) };
}

// biome-ignore lint/suspicious/noExplicitAny: five protocols, each read by its path alone.
function wordsIn(value: any, path: string, streamed: boolean): string {
  switch (path) {
    case '/api/chat':
      return value.message?.content ?? '';
    case '/api/generate':
      return value.response ?? '';
    case '/v1/chat/completions':
      return (streamed ? value.choices?.[0]?.delta : value.choices?.[0]?.message)?.content ?? '';
    case '/v1/messages':
      return (streamed ? value.delta?.text : value.content?.[0]?.text) ?? '';
    case '/v1/responses':
      if (!streamed) return value.output?.[0]?.content?.[0]?.text ?? '';
      return value.type === 'response.output_text.delta' ? value.delta : '';
    case '/api/embed':
      return String(value.embeddings?.length ?? '');
    default:
      return '';
  }
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined; // The half of a line that was cut.
  }
}

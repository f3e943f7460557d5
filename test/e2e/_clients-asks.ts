/** What the client libraries ask of the real model. */
export const messages = [{ role: 'user' as const, content: 'Say hello.' }];

/** The real model talks on for more than `LONG_TOKENS`, which takes it a quarter minute or longer. */
export const story = [{ role: 'user' as const, content: 'Tell me a long story about a boat.' }];
export const LONG_TOKENS = 400;

/** A model that can be given tools: Ollama tells that by its template. */
export const HANDY = 'handy';
export const HANDY_TEMPLATE = `{{ range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}{{ if .ToolCalls }}{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}{{ end }}{{ end }}<|im_end|>
{{ end }}{{ if .Tools }}{{ .Tools }}{{ end }}<|im_start|>assistant
`;

const parameters = { type: 'object' as const, properties: {} };
export const TOOL = {
  type: 'function' as const,
  function: { name: 'now', description: 'The time', parameters },
};
export const ANTHROPIC_TOOL = { name: 'now', description: 'The time', input_schema: parameters };

/** A form that only a call of the tool fits: a model this small would not make one by itself. */
export const CALL = {
  type: 'object',
  properties: {
    name: { enum: ['now'] },
    arguments: { type: 'object', properties: {}, additionalProperties: false },
  },
  required: ['name', 'arguments'],
};

/** Without what no two answers of one Ollama share: times, durations, ids; numbers with a fraction in two digits. */
export function comparable(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, one: unknown) => {
      if (/duration|created|expires_at|completed_at|^id$|_id$/.test(key)) return undefined;
      return typeof one === 'number' && !Number.isInteger(one) ? Number(one.toFixed(2)) : one;
    }),
  );
}

/** What a library throws, as far as its users see it; a value where it throws nothing. */
export async function refusal(call: Promise<unknown>): Promise<unknown> {
  try {
    return { answer: await call };
  } catch (thrown) {
    const error = thrown as Error & { status?: number; status_code?: number };
    const { message, status, status_code } = error;
    return {
      type: error.constructor.name,
      message: message.replace(/req_\w+/, ''),
      status: status ?? status_code,
    };
  }
}

/** Everything that a stream gives. */
export async function all<T>(stream: AsyncIterable<T> | PromiseLike<AsyncIterable<T>>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of await stream) items.push(item);
  return items;
}

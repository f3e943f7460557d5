import OpenAI, { type APIError, NotFoundError } from 'openai';
import { describe, expect, it } from 'vitest';
import { startCluster, TOPOLOGIES } from './_cluster.ts';
import { within } from './_deadline.ts';

const messages = [{ role: 'user' as const, content: 'hello' }];
const MODELS = [{ name: 'm' }, { name: 'slow', tokensPerSecond: 5 }, { name: 'vec', embedding: true }];

const clientOf = ({ url }: { url: string }) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: 'ollama', maxRetries: 0 });

describe.each(TOPOLOGIES)('the OpenAI client ($path)', ({ serve }) => {
  const start = () => startCluster({ serve, ollamas: [{ models: MODELS, answer: 'one two three' }] });

  it('chats, whole and streamed', async () => {
    await using cluster = await start();
    const client = clientOf(cluster);
    const whole = await client.chat.completions.create({ model: 'm', messages });
    expect(whole.choices[0]!.message.content).toBe('one two three');
    const stream = await client.chat.completions.create({
      model: 'm',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let reason: string | null | undefined;
    let tokens: number | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      reason = chunk.choices[0]?.finish_reason ?? reason;
      tokens = chunk.usage?.completion_tokens ?? tokens;
    }
    expect({ text, reason, tokens }).toEqual({ text: 'one two three', reason: 'stop', tokens: 3 });
  });

  it('asks for a response, whole and streamed', async () => {
    await using cluster = await start();
    const client = clientOf(cluster);
    expect((await client.responses.create({ model: 'm', input: 'hello' })).output_text).toBe('one two three');
    let text = '';
    let last = '';
    for await (const event of await client.responses.create({ model: 'm', input: 'hello', stream: true })) {
      if (event.type === 'response.output_text.delta') text += event.delta;
      last = event.type;
    }
    expect({ text, last }).toEqual({ text: 'one two three', last: 'response.completed' });
  });

  it('embeds in its own base64 form, lists and looks up', async () => {
    await using cluster = await start();
    const client = clientOf(cluster);
    const { data } = await client.embeddings.create({ model: 'vec', input: ['a', 'b', 'a'] });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([384, 384, 384]);
    expect(data[0]!.embedding).toEqual(data[2]!.embedding);
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids.sort()).toEqual(['m:latest', 'slow:latest', 'vec:latest']);
    expect((await client.models.retrieve('m')).id).toBe('m');
  });

  it('is told of a model that nobody has as by Ollama itself', async () => {
    await using cluster = await start();
    const refusal = (place: { url: string }) =>
      clientOf(place)
        .chat.completions.create({ model: 'none', messages })
        .catch((error: unknown) => error as APIError);
    const [direct, proxied] = [await refusal(cluster.ollamas[0]!), await refusal(cluster)];
    expect(direct).toBeInstanceOf(NotFoundError);
    expect(proxied).toBeInstanceOf(NotFoundError);
    expect((proxied as APIError).message).toBe((direct as APIError).message);
  });

  it('aborts mid-stream and before an answer, and the Ollama stops', async () => {
    await using cluster = await start();
    const client = clientOf(cluster);
    const stream = await client.chat.completions.create({ model: 'slow', messages, stream: true });
    for await (const _ of stream) break; // Leaving the loop is how this client aborts.
    const isStream = ({ body }: { body?: Buffer }) => body?.includes('"stream":true') ?? false;
    await within(2000, 'the abort at the Ollama', cluster.ollamas[0]!.onceAborted(isStream));

    const leaving = new AbortController();
    const whole = client.chat.completions.create({ model: 'slow', messages }, { signal: leaving.signal });
    const isWhole = (request: { path: string; body?: Buffer }) =>
      request.path.endsWith('/completions') && !isStream(request);
    await within(2000, 'the request at the Ollama', cluster.ollamas[0]!.onceSeen(isWhole));
    leaving.abort();
    await expect(whole).rejects.toThrow(/abort/i);
    await within(2000, 'the abort at the Ollama', cluster.ollamas[0]!.onceAborted(isWhole));
  });

  it('throws on a stream that breaks off, where Ollama itself would end it as if whole', async () => {
    await using cluster = await start();
    cluster.ollamas[0]!.faults.set({ kind: 'error-line', afterLines: 1, message: 'the runner died' });
    const client = clientOf(cluster);
    const read = (async () => {
      for await (const _ of await client.chat.completions.create({ model: 'm', messages, stream: true }));
    })();
    await expect(within(5000, 'the end of the stream', read)).rejects.toThrow(
      /broke off|last message|terminated/,
    );
  });
});

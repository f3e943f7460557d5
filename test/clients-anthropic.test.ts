import Anthropic, { NotFoundError } from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { startCluster, TOPOLOGIES } from './_cluster.ts';
import { within } from './_deadline.ts';

const ask = { model: 'm', max_tokens: 50, messages: [{ role: 'user' as const, content: 'hello' }] };
const MODELS = [{ name: 'm' }, { name: 'slow', tokensPerSecond: 5 }];

const clientOf = ({ url }: { url: string }) =>
  new Anthropic({ baseURL: url, apiKey: 'ollama', maxRetries: 0 });

describe.each(TOPOLOGIES)('the Anthropic client ($path)', ({ serve }) => {
  const start = () => startCluster({ serve, ollamas: [{ models: MODELS, answer: 'one two three' }] });

  it('sends a message, whole and streamed', async () => {
    await using cluster = await start();
    const client = clientOf(cluster);
    const whole = await client.messages.create(ask);
    expect(whole).toMatchObject({
      stop_reason: 'end_turn',
      content: [{ type: 'text', text: 'one two three' }],
    });
    const events: string[] = [];
    const stream = client.messages.stream(ask).on('streamEvent', ({ type }) => events.push(type));
    expect(await stream.finalText()).toBe('one two three');
    expect([events[0], events.at(-1)]).toEqual(['message_start', 'message_stop']);
  });

  it('is told of a model that nobody has as by Ollama itself', async () => {
    await using cluster = await start();
    const refusal = (place: { url: string }) =>
      clientOf(place)
        .messages.create({ ...ask, model: 'none' })
        .catch((error: unknown) => error as InstanceType<typeof NotFoundError>);
    const [direct, proxied] = [await refusal(cluster.ollamas[0]!), await refusal(cluster)];
    expect(direct).toBeInstanceOf(NotFoundError);
    expect(proxied).toMatchObject({ status: 404, error: { error: { type: 'not_found_error' } } });
    expect((proxied as Error).message.replace(/req_\w+/, '')).toBe(
      (direct as Error).message.replace(/req_\w+/, ''),
    );
  });

  it('aborts mid-stream, and the Ollama stops', async () => {
    await using cluster = await start();
    const stream = await clientOf(cluster).messages.create({ ...ask, model: 'slow', stream: true });
    for await (const event of stream) if (event.type === 'content_block_delta') break;
    await within(2000, 'the abort at the Ollama', cluster.ollamas[0]!.onceAborted());
  });

  it('throws on a stream that breaks off, where Ollama itself would end it as if whole', async () => {
    await using cluster = await start();
    cluster.ollamas[0]!.faults.set({ kind: 'clean-cut', afterLines: 3 });
    const read = clientOf(cluster).messages.stream(ask).finalText();
    await expect(within(5000, 'the end of the stream', read)).rejects.toThrow(
      /broke off|last message|terminated/,
    );
  });
});

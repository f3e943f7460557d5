import { Ollama } from 'ollama';
import { describe, expect, it } from 'vitest';
import { startCluster, TOPOLOGIES } from './_cluster.ts';
import { within } from './_deadline.ts';

const messages = [{ role: 'user', content: 'hello' }];
const MODELS = [{ name: 'm' }, { name: 'slow', tokensPerSecond: 5 }, { name: 'vec', embedding: true }];

describe.each(TOPOLOGIES)("Ollama's own JavaScript client ($path)", ({ serve }) => {
  const start = () => startCluster({ serve, ollamas: [{ models: MODELS, answer: 'one two three' }] });

  it('chats, whole and streamed', async () => {
    await using cluster = await start();
    const client = new Ollama({ host: cluster.url });
    const whole = await client.chat({ model: 'm', messages });
    expect(whole).toMatchObject({ done: true, message: { content: 'one two three' } });
    let text = '';
    let last = false;
    for await (const part of await client.chat({ model: 'm', messages, stream: true })) {
      text += part.message.content;
      last = part.done;
    }
    expect({ text, last }).toEqual({ text: 'one two three', last: true });
  });

  it('generates, embeds, lists, shows and unloads', async () => {
    await using cluster = await start();
    const client = new Ollama({ host: cluster.url });
    expect((await client.generate({ model: 'm', prompt: 'hi' })).response).toBe('one two three');
    expect((await client.embed({ model: 'vec', input: ['a', 'b', 'a'] })).embeddings).toHaveLength(3);
    const names = (list: { models: { name: string }[] }) => list.models.map(({ name }) => name).sort();
    expect(names(await client.list())).toEqual(['m:latest', 'slow:latest', 'vec:latest']);
    expect(names(await client.ps())).toEqual(['m:latest', 'vec:latest']);
    expect((await client.show({ model: 'm' })).details.format).toBe('gguf');
    expect((await client.version()).version).toBe('0.17.4');
    await client.generate({ model: 'm', prompt: '', keep_alive: 0 });
    expect(names(await client.ps())).toEqual(['vec:latest']);
  });

  it('copies, creates, pulls with progress and deletes', async () => {
    await using cluster = await start();
    const client = new Ollama({ host: cluster.url });
    await client.copy({ source: 'm', destination: 'm2' });
    await client.create({ model: 'm3', from: 'm' });
    const lines: string[] = [];
    for await (const { status } of await client.pull({ model: 'm4', stream: true })) lines.push(status);
    expect(lines.at(-1)).toBe('success');
    const names = async () => (await client.list()).models.map(({ name }) => name);
    expect(await names()).toEqual(expect.arrayContaining(['m2:latest', 'm3:latest', 'm4:latest']));
    for (const model of ['m2', 'm3', 'm4']) await client.delete({ model });
    expect((await names()).sort()).toEqual(['m:latest', 'slow:latest', 'vec:latest']);
  });

  it('is told of a model that nobody has as by Ollama itself', async () => {
    await using cluster = await start();
    const refusal = (host: string) =>
      new Ollama({ host }).chat({ model: 'none', messages }).then(
        () => 'no error',
        (error: Error & { status_code: number }) => ({ message: error.message, status: error.status_code }),
      );
    const direct = await refusal(cluster.ollamas[0]!.url);
    expect(direct).toEqual({ message: "model 'none' not found", status: 404 });
    expect(await refusal(cluster.url)).toEqual(direct);
  });

  it('aborts mid-stream, and the Ollama stops', async () => {
    await using cluster = await start();
    const client = new Ollama({ host: cluster.url });
    const stream = await client.chat({ model: 'slow', messages, stream: true });
    const read = (async () => {
      for await (const _ of stream) stream.abort();
    })();
    await expect(within(5000, 'the end of the stream', read)).rejects.toThrow(/abort/i);
    await within(2000, 'the abort at the Ollama', cluster.ollamas[0]!.onceAborted());
  });

  it('throws on a stream that breaks off', async () => {
    await using cluster = await start();
    cluster.ollamas[0]!.faults.set({ kind: 'cut', afterLines: 1 });
    const client = new Ollama({ host: cluster.url });
    const read = (async () => {
      for await (const _ of await client.chat({ model: 'm', messages, stream: true }));
    })();
    await expect(within(5000, 'the end of the stream', read)).rejects.toThrow(/broke off|terminated|closed/);
  });
});

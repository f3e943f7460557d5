import { request } from 'node:http';
import { expect, test } from 'vitest';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { ask, chat, linesOf, within } from './_simulate-client.ts';

const ANSWER = 'one two "three"\nfour';

test('chat and generate stream one JSON object a line and end with the counters', async () => {
  await using ollama = await startSimulatedOllama({ answer: ANSWER });
  const answer = await ask(ollama, '/api/chat', chat('simulated', 'hi'));
  expect(answer.headers['content-type']).toBe('application/x-ndjson');
  const lines = linesOf(answer.text) as { message: { content: string }; done: boolean }[];
  expect(lines.map((line) => line.message.content).join('')).toBe(ANSWER);
  expect(lines.map((line) => line.done)).toEqual([false, false, false, false, true]);
  expect(lines.at(-1)).toMatchObject({
    model: 'simulated',
    done_reason: 'stop',
    eval_count: 4,
    prompt_eval_count: expect.any(Number),
    total_duration: expect.any(Number),
    load_duration: expect.any(Number),
    prompt_eval_duration: expect.any(Number),
    eval_duration: expect.any(Number),
  });
  const generated = linesOf((await ask(ollama, '/api/generate', { model: 'simulated', prompt: 'hi' })).text);
  expect((generated as { response: string }[]).map((line) => line.response).join('')).toBe(ANSWER);
});

test('each line leaves as a chunk of its own', async () => {
  await using ollama = await startSimulatedOllama({
    models: [{ name: 'm', tokensPerSecond: 100 }],
    answer: ANSWER,
  });
  const chunks: string[] = [];
  await within(
    new Promise<void>((resolve, reject) => {
      const req = request(`${ollama.url}/api/chat`, { method: 'POST', agent: false }, (res) => {
        res.setEncoding('utf8');
        res.on('data', (chunk: string) => chunks.push(chunk));
        res.on('end', resolve);
      });
      req.on('error', reject);
      req.end(JSON.stringify(chat('m', 'hi')));
    }),
    'the stream',
  );
  expect(chunks.filter((chunk) => chunk.includes('"done":false'))).toHaveLength(4);
});

test('stream:false gives one object, num_predict ends it early with length', async () => {
  await using ollama = await startSimulatedOllama({ answer: ANSWER });
  const body = chat('simulated', 'hi', { stream: false, options: { num_predict: 2 } });
  const answer = await ask(ollama, '/api/chat', body);
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(JSON.parse(answer.text)).toMatchObject({
    message: { role: 'assistant', content: 'one two' },
    done: true,
    done_reason: 'length',
    eval_count: 2,
  });
});

test('an answer can be made from what the user said last', async () => {
  await using ollama = await startSimulatedOllama({ answer: (prompt) => `you said ${prompt}` });
  const messages = [
    { role: 'user', content: 'first' },
    { role: 'assistant', content: 'x' },
    { role: 'user', content: [{ type: 'text', text: 'second' }] },
  ];
  const answer = await ask(ollama, '/v1/chat/completions', { model: 'simulated', messages });
  expect(JSON.parse(answer.text).choices[0].message.content).toBe('you said second');
});

test('an assistant message at the end is continued', async () => {
  await using ollama = await startSimulatedOllama({ answer: ANSWER });
  const messages = [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'one two' },
  ];
  const answer = await ask(ollama, '/api/chat', { model: 'simulated', messages, stream: false });
  expect(JSON.parse(answer.text).message.content).toBe(' "three"\nfour');
});

test('the default answer says that it is simulated', async () => {
  await using ollama = await startSimulatedOllama({ label: 'gpu-1' });
  const answer = await ask(ollama, '/api/chat', chat('simulated', 'hi', { stream: false }));
  expect(JSON.parse(answer.text).message.content).toMatch(/simulated Ollama "gpu-1"/);
});

test('OpenAI chat streams end with usage where asked and [DONE]', async () => {
  await using ollama = await startSimulatedOllama({ answer: ANSWER });
  const body = chat('simulated', 'hi', { stream: true, stream_options: { include_usage: true } });
  const answer = await ask(ollama, '/v1/chat/completions', body);
  expect(answer.headers['content-type']).toBe('text/event-stream');
  const events = linesOf(answer.text) as {
    choices: { delta: { content: string }; finish_reason: unknown }[];
  }[];
  expect(
    events
      .slice(0, 4)
      .map((event) => event.choices[0]?.delta.content)
      .join(''),
  ).toBe(ANSWER);
  expect(events[4]).toMatchObject({ object: 'chat.completion.chunk', choices: [{ finish_reason: 'stop' }] });
  expect(events[5]).toMatchObject({ choices: [], usage: { completion_tokens: 4 } });
  expect(events.slice(6)).toEqual(['[DONE]']);
  expect(
    (await ask(ollama, '/v1/chat/completions', chat('simulated', 'hi', { stream: true }))).text,
  ).not.toContain('usage');
});

test('OpenAI completions answer with text', async () => {
  await using ollama = await startSimulatedOllama({ answer: ANSWER });
  const answer = await ask(ollama, '/v1/completions', { model: 'simulated', prompt: 'hi', max_tokens: 1 });
  expect(JSON.parse(answer.text)).toMatchObject({
    object: 'text_completion',
    choices: [{ text: 'one', finish_reason: 'length' }],
  });
});

test('OpenAI responses stream numbered events from created to completed', async () => {
  await using ollama = await startSimulatedOllama({ answer: ANSWER });
  const answer = await ask(ollama, '/v1/responses', { model: 'simulated', input: 'hi', stream: true });
  const events = linesOf(answer.text) as { type: string; sequence_number: number; response?: object }[];
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i));
  expect(events[0]?.type).toBe('response.created');
  expect(events.filter((event) => event.type === 'response.output_text.delta')).toHaveLength(4);
  expect(events.at(-1)).toMatchObject({
    type: 'response.completed',
    response: { status: 'completed', output: [{ content: [{ text: ANSWER }] }] },
  });
  const whole = await ask(ollama, '/v1/responses', { model: 'simulated', input: 'hi' });
  expect(JSON.parse(whole.text)).toMatchObject({ object: 'response', status: 'completed' });
});

test('Anthropic messages stream from message_start to message_stop', async () => {
  await using ollama = await startSimulatedOllama({ answer: ANSWER });
  const answer = await ask(
    ollama,
    '/v1/messages',
    chat('simulated', 'hi', { stream: true, max_tokens: 100 }),
  );
  const events = linesOf(answer.text) as { type: string }[];
  expect([...new Set(events.map((event) => event.type))]).toEqual([
    'message_start',
    'content_block_start',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ]);
  const whole = await ask(ollama, '/v1/messages', chat('simulated', 'hi', { max_tokens: 1 }));
  expect(JSON.parse(whole.text)).toMatchObject({
    content: [{ type: 'text', text: 'one' }],
    stop_reason: 'max_tokens',
  });
});

test('the same text has the same vector everywhere, other texts have others', async () => {
  await using one = await startSimulatedOllama();
  await using two = await startSimulatedOllama();
  const body = { model: 'simulated', input: ['a', 'b'] };
  const [first, second] = await Promise.all(
    [one, two].map(async (at) => JSON.parse((await ask(at, '/api/embed', body)).text)),
  );
  expect(first.embeddings).toEqual(second.embeddings);
  expect(first.embeddings[0]).not.toEqual(first.embeddings[1]);
  expect(Math.hypot(...first.embeddings[0])).toBeCloseTo(1);
  const old = JSON.parse((await ask(one, '/api/embeddings', { model: 'simulated', prompt: 'a' })).text);
  expect(old.embedding).toEqual(first.embeddings[0]);
  const v1 = JSON.parse((await ask(one, '/v1/embeddings', body)).text);
  expect(v1.data[1]).toEqual({ object: 'embedding', index: 1, embedding: first.embeddings[1] });
});

test('tokens come at the pace of the model', async () => {
  await using ollama = await startSimulatedOllama({
    models: [{ name: 'm', tokensPerSecond: 50 }],
    answer: ANSWER,
  });
  const begun = performance.now();
  await ask(ollama, '/api/chat', chat('m', 'hi'));
  expect(performance.now() - begun).toBeGreaterThan(78);
});

import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { type SimulatedOllama, startSimulatedOllama } from '../src/simulate/ollama.ts';
import { ask, chat, linesOf, within } from './_simulate-client.ts';

const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex');

test('errors of the native routes have the words of Ollama', async () => {
  await using ollama = await startSimulatedOllama();
  const said = async (path: string, body: unknown, method = 'POST') => {
    const { status, text } = await ask(ollama, path, body, { method });
    return [status, text];
  };
  expect(await said('/api/chat', chat('nope', 'x'))).toEqual([404, `{"error":"model 'nope' not found"}`]);
  expect(await said('/api/generate', { model: 'nope' })).toEqual([404, `{"error":"model 'nope' not found"}`]);
  expect(await said('/api/show', { model: 'nope' })).toEqual([404, `{"error":"model 'nope' not found"}`]);
  expect(await said('/api/delete', { model: 'nope' }, 'DELETE')).toEqual([
    404,
    `{"error":"model 'nope' not found"}`,
  ]);
  expect(await said('/api/embed', { model: 'nope', input: 'x' })).toEqual([
    404,
    '{"error":"model \\"nope\\" not found, try pulling it first"}',
  ]);
  expect(await said('/api/chat', '{"model":"simulated"')).toEqual([400, '{"error":"unexpected EOF"}']);
  expect(await said('/api/chat', '{"model":"simu')).toEqual([400, '{"error":"unexpected EOF"}']);
  expect(await said('/api/chat', '')).toEqual([400, '{"error":"missing request body"}']);
  expect(await said('/api/chat', 'nonsense')).toEqual([
    400,
    `{"error":"invalid character 'n' looking for beginning of value"}`,
  ]);
  expect(await said('/api/chat', {})).toEqual([400, '{"error":"model is required"}']);
  expect(await said('/api/generate', { model: 'simulated', keep_alive: '5' })).toEqual([
    400,
    '{"error":"time: missing unit in duration \\"5\\""}',
  ]);
  expect(await said('/api/me', {})).toEqual([
    401,
    expect.stringContaining('"error":"unauthorized","signin_url"'),
  ]);
  expect(await said('/api/nothing', {})).toEqual([404, '404 page not found']);
  expect(await said('/api/chat', undefined, 'GET')).toEqual([405, '405 method not allowed']);
  expect(await said('/api/tags/', undefined, 'GET')).toEqual([301, '']);
});

test('errors under /v1 have the shapes of OpenAI and Anthropic', async () => {
  await using ollama = await startSimulatedOllama();
  const openai = await ask(ollama, '/v1/chat/completions', chat('nope', 'x'));
  expect([openai.status, openai.text]).toEqual([
    404,
    `{"error":{"message":"model 'nope' not found","type":"not_found_error","param":null,"code":null}}`,
  ]);
  const bad = await ask(ollama, '/v1/chat/completions', '{"model":');
  expect(JSON.parse(bad.text).error).toMatchObject({
    message: 'unexpected EOF',
    type: 'invalid_request_error',
  });
  const anthropic = await ask(ollama, '/v1/messages', chat('nope', 'x', { max_tokens: 5 }));
  expect(anthropic.status).toBe(404);
  expect(JSON.parse(anthropic.text)).toMatchObject({
    type: 'error',
    error: { type: 'not_found_error', message: "model 'nope' not found" },
  });
  const model = await ask(ollama, '/v1/models/nope');
  expect([model.status, JSON.parse(model.text).error.type]).toEqual([404, 'not_found_error']);
});

test('models are listed as Ollama lists them', async () => {
  await using ollama = await startSimulatedOllama({ models: [{ name: 'm', size: 5e8 }] });
  const tags = JSON.parse((await ask(ollama, '/api/tags')).text);
  expect(tags.models).toEqual([
    {
      name: 'm:latest',
      model: 'm:latest',
      modified_at: expect.any(String),
      size: 5e8,
      digest: sha256('m'),
      details: {
        parent_model: '',
        format: 'gguf',
        family: 'llama',
        families: ['llama'],
        parameter_size: '0.8B',
        quantization_level: 'Q4_K_M',
      },
    },
  ]);
  expect(JSON.parse((await ask(ollama, '/v1/models')).text).data).toMatchObject([{ id: 'm:latest' }]);
  expect(JSON.parse((await ask(ollama, '/v1/models/m')).text)).toMatchObject({ id: 'm', object: 'model' });
  expect((await ask(ollama, '/')).text).toBe('Ollama is running');
  const head = await ask(ollama, '/', undefined, { method: 'HEAD' });
  expect([head.status, head.text]).toEqual([200, '']);
});

test.each(['M', 'm:latest', 'registry.ollama.ai/library/m', 'library/M:Latest'])(
  'a model is found under the spelling %s, whatever the content type',
  async (spelling) => {
    await using ollama = await startSimulatedOllama({ models: [{ name: 'm' }] });
    const headers = { 'Content-Type': 'text/plain' };
    const answer = await ask(ollama, '/api/chat', chat(spelling, 'x', { stream: false }), { headers });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text).model).toBe(spelling);
  },
);

test('pull streams progress to success, and then the model is there', async () => {
  await using ollama = await startSimulatedOllama({ registry: [{ name: 'new', size: 1000 }] });
  const pulled = linesOf((await ask(ollama, '/api/pull', { model: 'new' })).text);
  expect(pulled[0]).toEqual({ status: 'pulling manifest' });
  expect(pulled[4]).toEqual({
    status: `pulling ${sha256('new').slice(0, 12)}`,
    digest: `sha256:${sha256('new')}`,
    total: 1000,
    completed: 1000,
  });
  expect(pulled.at(-1)).toEqual({ status: 'success' });
  expect(ollama.models.list().map((model) => model.name)).toContain('new:latest');
  const missing = await ask(ollama, '/api/pull', { model: 'missing', stream: false });
  expect([missing.status, missing.text]).toEqual([
    500,
    '{"error":"pull model manifest: file does not exist"}',
  ]);
});

test('copy, delete, show and push do what they say', async () => {
  await using ollama = await startSimulatedOllama({ models: [{ name: 'm' }] });
  expect(await ask(ollama, '/api/copy', { source: 'm', destination: 'n' })).toMatchObject({
    status: 200,
    text: '',
  });
  expect(ollama.models.list().map((model) => model.digest)).toEqual([sha256('m'), sha256('m')]);
  await ollama.load('m');
  expect((await ask(ollama, '/api/delete', { model: 'm' }, { method: 'DELETE' })).status).toBe(200);
  expect(ollama.models.list().map((model) => model.name)).toEqual(['n:latest']);
  expect(ollama.models.loaded()).toEqual([]);
  const shown = JSON.parse((await ask(ollama, '/api/show', { model: 'n' })).text);
  expect(Object.keys(shown)).toEqual(
    expect.arrayContaining(['modelfile', 'template', 'details', 'model_info', 'capabilities']),
  );
  expect((await ask(ollama, '/api/push', { model: 'n', stream: false })).text).toBe('{"status":"success"}');
});

test('a blob is created once, checked against its digest, and used by create', async () => {
  await using ollama = await startSimulatedOllama();
  const digest = `sha256:${sha256('hello')}`;
  const blob = (body?: string, method = 'POST') => ask(ollama, `/api/blobs/${digest}`, body, { method });
  expect((await blob(undefined, 'HEAD')).status).toBe(404);
  expect(await blob('other')).toMatchObject({
    status: 400,
    text: JSON.stringify({ error: `digest mismatch, expected "${digest}", got "sha256:${sha256('other')}"` }),
  });
  const unmade = await ask(ollama, '/api/create', { model: 'made', files: { f: digest } });
  expect(unmade.status).toBe(400);
  expect((await blob('hello')).status).toBe(201);
  expect((await blob('hello')).status).toBe(200);
  expect((await blob(undefined, 'HEAD')).status).toBe(200);
  expect((await ask(ollama, '/api/blobs/sha256:xyz', 'x')).text).toBe('{"error":"invalid digest format"}');
  const made = linesOf((await ask(ollama, '/api/create', { model: 'made', files: { f: digest } })).text);
  expect(made.at(-1)).toEqual({ status: 'success' });
  expect(ollama.models.list().find((model) => model.name === 'made:latest')?.digest).toBe(sha256('hello'));
});

test('a large chunked blob is hashed without being kept', async () => {
  await using ollama = await startSimulatedOllama();
  const chunk = Buffer.alloc(1 << 20, 7);
  const hash = createHash('sha256');
  for (let i = 0; i < 256; i++) hash.update(chunk);
  const before = process.memoryUsage().arrayBuffers;
  const answer = await upload(ollama, `sha256:${hash.digest('hex')}`, chunk, 256);
  expect(answer).toEqual({ status: 201, connection: 'keep-alive' });
  expect(ollama.seen.at(-1)).toMatchObject({ bodyBytes: 256 << 20, answered: true });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(128 << 20);
});

test('a blob that exists is answered before its upload has ended', async () => {
  await using ollama = await startSimulatedOllama();
  const digest = `sha256:${sha256('x')}`;
  await ask(ollama, `/api/blobs/${digest}`, 'x');
  const answer = await upload(ollama, digest, Buffer.alloc(1 << 20), Number.POSITIVE_INFINITY);
  expect(answer).toEqual({ status: 200, connection: 'close' });
  expect(ollama.seen.at(-1)?.bodyBytes).toBeLessThan(2 << 20);
});

test('foreign hosts and origins get an empty 403, local ones pass', async () => {
  await using ollama = await startSimulatedOllama();
  const status = async (headers: Record<string, string>, method = 'GET') =>
    (await ask(ollama, '/api/version', undefined, { headers, method })).status;
  expect(await status({ Host: 'evil.example' })).toBe(403);
  expect(await status({ Host: 'foo.local' })).toBe(200);
  expect(await status({ Host: '192.168.1.2:99' })).toBe(200);
  expect(await status({ Host: '8.8.8.8' })).toBe(403);
  expect(await status({ Origin: 'null' })).toBe(403);
  expect(await status({ Origin: 'http://localhost:3000' })).toBe(200);
  expect(await status({ Origin: 'http://localhost:3000' }, 'OPTIONS')).toBe(204);
  const evil = await ask(ollama, '/api/version', undefined, { headers: { Origin: 'https://evil.example' } });
  expect([evil.status, evil.text]).toEqual([403, '']);
});

test('what was received is recorded byte for byte', async () => {
  await using ollama = await startSimulatedOllama();
  const odd = '{ "model":"simulated", "seed":12345678901234567890,"messages" : [] }';
  await ask(ollama, '/api/chat?x=%2F', odd, { headers: { 'X-Odd': 'Yes' } });
  const seen = await ollama.onceSeen();
  expect(seen).toMatchObject({
    method: 'POST',
    path: '/api/chat?x=%2F',
    bodySha256: sha256(odd),
    bodyBytes: odd.length,
  });
  expect(seen.body?.toString()).toBe(odd);
  expect(seen.rawHeaders).toContain('X-Odd');
});

/** Sends a chunk again and again until `times` or until the answer is there; gives status and connection header. */
function upload(
  ollama: SimulatedOllama,
  digest: string,
  chunk: Buffer,
  times: number,
): Promise<{ status: number; connection: string | undefined }> {
  const answer = new Promise<{ status: number; connection: string | undefined }>((resolve, reject) => {
    const req = request(`${ollama.url}/api/blobs/${digest}`, {
      method: 'POST',
      headers: { Connection: 'keep-alive' },
    });
    let done = false;
    req.on('response', (res) => {
      done = true;
      res.resume();
      resolve({ status: res.statusCode ?? 0, connection: res.headers.connection });
      res.once('close', () => req.destroy());
    });
    req.on('error', reject);
    let sent = 0;
    const more = () => {
      while (!done && sent < times) {
        sent++;
        if (!req.write(chunk)) return;
      }
      if (!done) req.end();
    };
    req.on('drain', more);
    more();
  });
  return within(answer, 'the upload to be answered');
}

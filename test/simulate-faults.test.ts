import { expect, test } from 'vitest';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { ask, chat, linesOf, send, steppedClock, until, within } from './_simulate-client.ts';

const ROUTES = ['/api/chat', '/v1/chat/completions', '/v1/messages', '/v1/responses'] as const;
const bodyFor = (path: string) =>
  path === '/v1/responses'
    ? { model: 'simulated', input: 'hi', stream: true }
    : chat('simulated', 'hi', { stream: true, max_tokens: 1000 });
const countLines = (text: string) => text.split('\n').filter((line) => /^(data: )?\{/.test(line)).length;
const TERMINAL = /"done":true|\[DONE\]|message_stop|response\.completed/;

test('a status fault answers with its status, body and headers, as often as asked', async () => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'status', status: 503, headers: { 'Retry-After': '1' } }, { times: 1 });
  const refused = await ask(ollama, '/v1/chat/completions', bodyFor('/v1/chat/completions'));
  expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  expect(JSON.parse(refused.text).error.type).toBe('api_error');
  expect((await ask(ollama, '/api/chat', chat('simulated', 'hi'))).status).toBe(200);
  ollama.faults.set({ kind: 'status', status: 500, body: '{ "error": "odd" }' });
  expect((await ask(ollama, '/api/chat', chat('simulated', 'hi'))).text).toBe('{ "error": "odd" }');
});

test('a fault leaves other routes and what its match refuses alone', async () => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'status', status: 500 });
  expect((await ask(ollama, '/api/tags')).status).toBe(200);
  ollama.faults.set({ kind: 'status', status: 500 }, { match: (seen) => seen.path === '/api/tags' });
  expect((await ask(ollama, '/api/tags')).status).toBe(500);
  expect((await ask(ollama, '/api/chat', chat('simulated', 'hi'))).status).toBe(200);
});

test('a reset comes before any byte of the answer, after the body was read', async () => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'reset' });
  const answer = await ask(ollama, '/api/chat', chat('simulated', 'hi'));
  expect(answer).toMatchObject({ status: 0, error: 'ECONNRESET' });
  expect(ollama.seen[0]).toMatchObject({ answered: false });
  expect(ollama.seen[0]?.abortedAt).toBeUndefined();
  expect(ollama.seen[0]?.bodyBytes).toBeGreaterThan(0);
});

test.each(ROUTES)('a cut breaks the stream of %s after the lines asked for', async (path) => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'cut', afterLines: 5 });
  const answer = await ask(ollama, path, bodyFor(path));
  expect(answer).toMatchObject({ status: 200, complete: false });
  expect(countLines(answer.text)).toBe(5);
  expect(answer.text.endsWith('\n')).toBe(true);
});

test('a cut in mid-line leaves half a line', async () => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'cut', afterLines: 2, midLine: true });
  const answer = await ask(ollama, '/api/chat', chat('simulated', 'hi'));
  expect(answer.complete).toBe(false);
  const lines = answer.text.split('\n');
  expect(lines).toHaveLength(3);
  expect(() => JSON.parse(lines[2] ?? '')).toThrow();
});

test.each(ROUTES)('a clean cut ends %s without its terminal marker, however late', async (path) => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'clean-cut', afterLines: 1000 });
  const answer = await ask(ollama, path, bodyFor(path));
  expect(answer).toMatchObject({ status: 200, complete: true });
  expect(countLines(answer.text)).toBeGreaterThan(5);
  expect(answer.text).not.toMatch(TERMINAL);
});

test('a stall holds socket and slot until the client leaves', async () => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'stall', afterLines: 3 });
  const sent = send(ollama, '/api/chat', chat('simulated', 'hi'));
  await sent.started;
  await until(() => ollama.stats().active === 1, 'the slot to be held');
  sent.request.destroy();
  await within(ollama.onceAborted(), 'the abort');
  expect(countLines((await sent.answer).text)).toBe(3);
  await until(() => ollama.stats().active === 0, 'the slot to be free');
});

test('a hang never answers and sees the client leave', async () => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'hang' });
  const sent = send(ollama, '/api/chat', chat('simulated', 'hi'));
  await ollama.onceSeen();
  sent.request.destroy();
  await within(ollama.onceAborted(), 'the abort');
  expect((await sent.answer).status).toBe(0);
});

test('a slow first byte delays inference only, slow-all every route', async () => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'slow-first-byte', ms: 400 });
  expect((await ask(ollama, '/api/chat', chat('simulated', 'hi'))).firstByteMs).toBeGreaterThan(398);
  expect((await ask(ollama, '/api/version')).firstByteMs).toBeLessThan(398);
  ollama.faults.set({ kind: 'slow-all', ms: 400 });
  expect((await ask(ollama, '/api/version')).firstByteMs).toBeGreaterThan(398);
});

test('a malformed line is followed by the rest of the stream', async () => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'malformed', afterLines: 2 });
  const lines = (await ask(ollama, '/api/chat', chat('simulated', 'hi'))).text.trimEnd().split('\n');
  const broken = lines.filter((line) => {
    try {
      JSON.parse(line);
      return false;
    } catch {
      return true;
    }
  });
  expect(broken).toEqual([lines[2]]);
  expect(lines.at(-1)).toContain('"done":true');
});

test('a runner error is a last line on /api and is swallowed on /v1', async () => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'error-line', afterLines: 2, message: 'llama-server process has terminated' });
  const native = await ask(ollama, '/api/chat', chat('simulated', 'hi'));
  expect(native).toMatchObject({ status: 200, complete: true });
  expect(linesOf(native.text).at(-1)).toEqual({ error: 'llama-server process has terminated' });
  const openai = await ask(ollama, '/v1/chat/completions', bodyFor('/v1/chat/completions'));
  expect(openai).toMatchObject({ status: 200, complete: true });
  expect(linesOf(openai.text)).toHaveLength(3);
  expect(linesOf(openai.text).at(-1)).toMatchObject({
    choices: [{ delta: { content: '' }, finish_reason: null }],
  });
  expect(openai.text).not.toMatch(/terminated|\[DONE\]/);
});

test('a runner error before the first line, or without a stream, is a status 500', async () => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'error-line', afterLines: 0, message: 'out of memory' });
  const streamed = await ask(ollama, '/api/chat', chat('simulated', 'hi'));
  expect(streamed).toMatchObject({ status: 500, text: '{"error":"out of memory"}' });
  const whole = await ask(ollama, '/api/chat', chat('simulated', 'hi', { stream: false }));
  expect(whole).toMatchObject({ status: 500, text: '{"error":"out of memory"}' });
});

test('a cut also breaks an answer that does not stream', async () => {
  await using ollama = await startSimulatedOllama();
  ollama.faults.set({ kind: 'cut', afterLines: 1 });
  const answer = await ask(ollama, '/api/chat', chat('simulated', 'hi', { stream: false }));
  expect(answer).toMatchObject({ status: 200, complete: false });
  expect(answer.text.length).toBeGreaterThan(10);
});

test('a frozen process answers no route and stops its streams, and goes on when it thaws', async () => {
  const clock = steppedClock();
  await using ollama = await startSimulatedOllama({ clock, models: [{ name: 'm', tokensPerSecond: 100 }] });
  const streaming = send(ollama, '/api/chat', chat('m', 'hi'));
  await streaming.started;
  ollama.faults.set({ kind: 'hang-all' });
  clock.advance(60_000);
  let answered = false;
  const version = send(ollama, '/api/version');
  void version.answer.then(() => {
    answered = true;
  });
  await ollama.onceSeen((seen) => seen.path === '/api/version');
  expect(answered).toBe(false);
  expect(ollama.stats().active).toBe(1);
  ollama.faults.clear();
  expect((await within(version.answer, 'the thawed answer')).text).toBe('{"version":"0.17.4"}');
  expect((await within(streaming.answer, 'the thawed stream')).text).toMatch(TERMINAL);
});

test('stop resets connections as a killed process does, and start is on the same port, cold', async () => {
  await using ollama = await startSimulatedOllama({ models: [{ name: 'm', tokensPerSecond: 5 }] });
  const { port } = ollama;
  const sent = send(ollama, '/api/chat', chat('m', 'hi'));
  await sent.started;
  await ollama.stop();
  const broken = await within(sent.answer, 'the reset');
  expect(broken.complete).toBe(false);
  expect(ollama.seen[0]).toMatchObject({ answered: false });
  expect(ollama.seen[0]?.abortedAt).toBeUndefined();
  expect((await ask(ollama, '/api/version')).error).toBe('ECONNREFUSED');
  await ollama.start();
  expect(ollama.port).toBe(port);
  expect((await ask(ollama, '/api/ps')).text).toBe('{"models":[]}');
  expect(ollama.stats()).toMatchObject({ active: 0, queued: 0 });
});

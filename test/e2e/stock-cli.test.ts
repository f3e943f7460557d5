import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Daemon } from '../_daemon.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, untilListed } from '../lan/_fleet.ts';
import { createLab, type Lab, type LabHost } from '../lan/_lab.ts';
import { ollamaBinary, type RealOllama, realOllamaUnavailable, startRealOllama } from './_real-ollama.ts';

/** A real model on a busy machine with two cores: the first answer also loads it. */
const TEST_MS = 60_000;

describe('the stock Ollama client on a laptop, the real Ollama on a GPU machine', {
  timeout: TEST_MS,
}, () => {
  const unavailable = realOllamaUnavailable();
  skipBecause(unavailable);

  let lab: Lab;
  let laptop: LabHost;
  let ollama: RealOllama;
  let server: Daemon;
  let client: Daemon;

  beforeAll(async () => {
    if (unavailable !== undefined) return;
    lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    laptop = lab.host('laptop');
    ollama = await startRealOllama(lab.host('gpu1'), ['smol', 'second']);
    server = await serveOn(lab.host('gpu1'));
    client = await clientOn(laptop);
    await untilListed(laptop, ['smol', 'second']);
  }, TEST_MS);

  afterAll(async () => {
    for (const part of [client, server, ollama, lab]) await part?.[Symbol.asyncDispose]();
  });

  /** `ollama ARGS` on the laptop, which has no Ollama of its own; output without the terminal's spinner. */
  async function cli(...args: string[]): Promise<string> {
    const env = { OLLAMA_HOST: LOCAL_FACE, HOME: client.dataDir };
    const done = await laptop.exec(ollamaBinary(), args, { env, timeoutMs: TEST_MS });
    expect(done, `ollama ${args.join(' ')}`).toMatchObject({ code: 0 });
    return done.stdout;
  }

  test('ollama -v reports the version of the far Ollama without a warning', async () => {
    expect((await cli('-v')).trim()).toBe('ollama version is 0.17.4');
  });

  test('ollama list shows the far models with the ids that the far machine shows', async () => {
    const far = (await ollama.cli('list')).stdout;
    const near = await cli('list');
    const rows = (text: string) =>
      text
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(/\s+/).slice(0, 2).join(' '))
        .sort();
    expect(rows(near)).toHaveLength(2);
    expect(rows(near)).toEqual(rows(far));
  });

  test('ollama show prints what it prints on the far machine', async () => {
    // Ollama prints the parameters in another order each time.
    const sorted = (text: string) => text.split(/\s*\n/).sort();
    const near = await cli('show', 'smol');
    expect(near).toMatch(/llama/);
    expect(sorted(near)).toEqual(sorted((await ollama.cli('show', 'smol')).stdout));
  });

  test('ollama run streams an answer, ps shows the model loaded, stop unloads it', async () => {
    const answer = await cli('run', 'smol', 'Say hello.');
    expect(answer.trim().length).toBeGreaterThan(10);
    expect(answer).toBe((await ollama.cli('run', 'smol', 'Say hello.')).stdout);
    expect(await cli('ps')).toMatch(/smol:latest\s+[0-9a-f]{12}/);
    await cli('stop', 'smol');
    expect((await ollama.cli('ps')).stdout).toMatch(/^NAME.*\n(smol.*Stopping\.\.\.\s*)?$/);
  });

  test('ollama run of a model nobody has says so and does not pull it to a peer', async () => {
    const env = { OLLAMA_HOST: LOCAL_FACE, HOME: client.dataDir };
    const done = await laptop.exec(ollamaBinary(), ['run', 'nobody-has-this', 'hi'], { env });
    expect(done.code).not.toBe(0);
    expect(done.stderr).toMatch(/nobody-has-this|not allowed|pull/i);
    expect((await ollama.cli('list')).stdout).not.toMatch(/nobody/);
  });

  test('curl streams a chat line by line and each line is JSON, the last one done', async () => {
    const body = JSON.stringify({ model: 'smol', messages: [{ role: 'user', content: 'Count to ten.' }] });
    const done = await laptop.exec('curl', ['-sSN', '-i', `${LOCAL_FACE}/api/chat`, '-d', body]);
    const [head = '', stream = ''] = done.stdout.split('\r\n\r\n');
    const lines = stream
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { done: boolean; message: { content: string } });
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.map((line) => line.done).indexOf(true)).toBe(lines.length - 1);
    expect(head).toMatch(/content-type: application\/x-ndjson/i);
    expect(head).toMatch(/x-ollana-server: gpu1/i);
  });

  test('tokens arrive as they are made, not together at the end', async () => {
    const answer = await laptop.http(`${LOCAL_FACE}/api/chat`, {
      body: { model: 'smol', messages: [{ role: 'user', content: 'Tell me a story about a boat.' }] },
    });
    expect(answer.lines.length).toBeGreaterThan(10);
    const gaps = answer.lines.slice(1).map((line, index) => line.at - answer.lines[index]!.at);
    // 24 tokens of a small model take some hundred milliseconds; batched they would all come within a few.
    expect(gaps.filter((gap) => gap > 0.2).length).toBeGreaterThan(gaps.length / 2);
  });

  test('curl speaks the OpenAI protocol, streamed and not', async () => {
    const messages = [{ role: 'user', content: 'Say hello.' }];
    const ask = (extra: object) =>
      laptop.exec('curl', [
        '-sSN',
        '-H',
        'Content-Type: application/json',
        `${LOCAL_FACE}/v1/chat/completions`,
        '-d',
        JSON.stringify({ model: 'smol', messages, ...extra }),
      ]);
    const whole = JSON.parse((await ask({})).stdout) as { choices: { message: { content: string } }[] };
    expect(whole.choices[0]!.message.content.length).toBeGreaterThan(5);
    const streamed = (await ask({ stream: true })).stdout;
    expect(streamed).toMatch(/^data: \{"id":"chatcmpl-/);
    expect(streamed.trimEnd()).toMatch(/data: \[DONE\]$/);
  });

  test('the bytes of an error are those of the far Ollama', async () => {
    const wrong = { method: 'POST', body: '{"model": "smol", "messages": [' };
    const near = await laptop.http(`${LOCAL_FACE}/api/chat`, wrong);
    const far = await lab.host('gpu1').http('http://127.0.0.1:11434/api/chat', wrong);
    expect([near.status, near.text]).toEqual([far.status, far.text]);
    expect(near.status).toBe(400);
  });
});

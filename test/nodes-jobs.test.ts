import { type IncomingMessage, request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { jobError } from '../src/daemon/job-wire.ts';
import { call } from './_api.ts';
import { startBefore, startCluster, TOPOLOGIES } from './_cluster.ts';
import { startUpstream } from './_cluster-upstream.ts';

const job = (url: string, body: unknown, more = {}) => call(url, '/jobs', { method: 'POST', body, ...more });

describe.each(TOPOLOGIES)('POST /jobs: $path', ({ serve }) => {
  const MODEL = { models: [{ name: 'llama3' }] };

  it('runs a prompt, with its options where Ollama reads them', async () => {
    await using cluster = await startCluster({ ollamas: [MODEL], serve });
    const answer = await job(cluster.url, {
      model: 'llama3',
      prompt: 'Why is the sky blue?',
      options: { temperature: 0.7, num_predict: 5 },
      stream: false,
    });
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'x-job-id': expect.stringMatching(/^[0-9a-f-]{36}$/), 'x-ollana-server': 'a' },
      json: { model: 'llama3', done: true, response: expect.stringMatching(/\w/), eval_count: 5 },
    });
    const seen = cluster.ollamas[0]!.seen.find(({ path }) => path === '/api/generate');
    expect(JSON.parse(String(seen!.body))).toEqual({
      model: 'llama3',
      prompt: 'Why is the sky blue?',
      options: { temperature: 0.7, num_predict: 5 },
      stream: false,
    });
  });

  it('streams, token by token, unless told otherwise', async () => {
    await using cluster = await startCluster({
      ollamas: [{ models: [{ name: 'llama3', tokensPerSecond: 20 }] }],
      serve,
    });
    const body = JSON.stringify({ model: 'llama3', prompt: 'Tell', options: { num_predict: 12 } });
    const at: number[] = [];
    let text = '';
    await new Promise<void>((resolve, reject) => {
      const headers = { 'Content-Type': 'application/json' };
      const sent = request(`${cluster.url}/jobs`, { agent: false, method: 'POST', headers }, (answer) => {
        expect(answer.headers['content-type']).toMatch(/ndjson/);
        answer.on('data', (chunk) => {
          at.push(performance.now());
          text += chunk;
        });
        answer.on('end', resolve);
      });
      sent.on('error', reject);
      sent.end(body);
    });
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({ done: true });
    expect(lines.length).toBeGreaterThan(10);
    // Twelve tokens at twenty a second: what is held back to the end would come in one moment.
    expect(at.at(-1)! - at[0]!).toBeGreaterThan(300);
  });

  it('ends at the server when the client leaves', async () => {
    await using cluster = await startCluster({ ollamas: [MODEL], serve });
    const isRun = ({ path }: { path: string }) => path === '/api/generate';
    cluster.ollamas[0]!.faults.set({ kind: 'stall', afterLines: 1 }, { match: isRun });
    const aborted = cluster.ollamas[0]!.onceAborted(isRun);
    const sent = request(`${cluster.url}/jobs`, {
      agent: false,
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
    });
    sent.on('error', () => {});
    sent.on('response', (answer) => {
      answer.on('error', () => {});
      answer.once('data', () => sent.destroy());
    });
    sent.end(JSON.stringify({ model: 'llama3', prompt: 'x' }));
    await aborted;
  });
});

it('a job that runs when ollana ends is answered to its end, however slowly it is read', async () => {
  const line = `${JSON.stringify({ response: 'x'.repeat(1_000_000), done: false })}\n`;
  await using upstream = await startUpstream((_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
    for (let i = 0; i < 12; i++) response.write(line);
    response.end('{"done":true}\n');
  });
  await using before = await startBefore([upstream.url]);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json' };
    const sent = request(`${before.url}/jobs`, { agent: false, method: 'POST', headers }, resolve);
    sent.on('error', reject);
    sent.end(JSON.stringify({ model: 'm', prompt: 'x' }));
  });
  const drained = before.client.drain(20_000);
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) {
    text += chunk;
    await new Promise((resolve) => setTimeout(resolve, 2)); // A slow reader, not a wait for anything.
  }
  await drained;
  expect(text.length).toBe(12 * line.length + 14);
});

describe('POST /jobs that fail', () => {
  it('is tried elsewhere first', async () => {
    await using cluster = await startCluster({ ollamas: [{}, {}] });
    const [model] = cluster.view(0).models;
    const isRun = ({ path }: { path: string }) => path === '/api/generate';
    cluster.ollamas[0]!.faults.set(
      { kind: 'status', status: 503, body: { error: 'busy' } },
      { match: isRun },
    );
    for (let i = 0; i < 3; i++)
      expect(await job(cluster.url, { model, prompt: 'x', stream: false })).toMatchObject({
        status: 200,
        headers: { 'x-ollana-server': 'b' },
      });
    cluster.ollamas[1]!.faults.set(
      { kind: 'status', status: 503, body: { error: 'busy' } },
      { match: isRun },
    );
    const { status, json } = await job(cluster.url, { model, prompt: 'x', stream: false });
    expect(status).toBe(503);
    expect(json.detail).toMatchObject({
      message: 'All candidate nodes failed to execute the job',
      errors: [{ message: expect.stringMatching(/\w/), status: 503 }],
      job_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  it('says that nobody has the model', async () => {
    await using cluster = await startCluster({ client: { holdMs: 0 } });
    expect(await job(cluster.url, { model: 'nobody-has-it', prompt: 'x' })).toMatchObject({
      status: 503,
      json: { detail: 'No healthy nodes available for requested model' },
    });
    await using alone = await startCluster({ ollamas: [], client: { holdMs: 0 } });
    expect(await job(alone.url, { model: 'm', prompt: 'x' })).toMatchObject({
      status: 503,
      json: { detail: 'No healthy nodes available for requested model', error: expect.stringMatching(/\w/) },
    });
  });

  it('breaks off when the stream does', async () => {
    await using cluster = await startCluster({ ollamas: [{ models: [{ name: 'llama3' }] }] });
    cluster.ollamas[0]!.faults.set(
      { kind: 'cut', afterLines: 2 },
      { match: ({ path }: { path: string }) => path === '/api/generate' },
    );
    await expect(job(cluster.url, { model: 'llama3', prompt: 'x' })).rejects.toThrow(/aborted/);
  });

  it.each([
    [{ prompt: 'x' }, /model is missing/],
    [{ model: 5, prompt: 'x' }, /model is missing/],
    [{ model: 'm' }, /prompt is missing/],
    [{ model: 'm', prompt: 'x', options: [1] }, /options is an object/],
    [{ model: 'm', prompt: 'x', stream: 'yes' }, /stream is true or false/],
    ['nonsense', /no JSON/],
  ])('%j is refused with 400', async (body, reason) => {
    await using cluster = await startCluster({ ollamas: [] });
    expect(await job(cluster.url, body)).toMatchObject({
      status: 400,
      json: { detail: expect.stringMatching(reason) },
    });
    expect((await call(cluster.url, '/jobs')).status).toBe(405);
  });

  it('gives a client’s own mistake back as it is, and every server’s end', () => {
    const failure = { jobId: 'j', code: undefined, server: 'a' };
    expect(jobError({ ...failure, status: 400, text: '{"error":"bad options"}' })).toEqual({
      status: 400,
      body: { detail: 'bad options', job_id: 'j' },
    });
    const servers = [{ name: 'a', status: 500, error: 'no' }, { name: 'b' }];
    const text = JSON.stringify({ error: 'both', servers });
    expect(jobError({ ...failure, status: 502, text }).body).toMatchObject({
      detail: {
        errors: [
          { node_id: 'a', message: 'no', status: 500 },
          { node_id: 'b', message: 'both', status: 502 },
        ],
      },
    });
    expect(jobError({ ...failure, status: 500, text: '<html>' }).body).toMatchObject({
      detail: { errors: [{ node_id: 'a', message: 'HTTP status 500', status: 500 }] },
    });
  });
});

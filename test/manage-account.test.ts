import { describe, expect, it } from 'vitest';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { type Cluster, startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';
import { ask, chat } from './_simulate-client.ts';

interface Row {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
}

const CLOUD = 'x:cloud';
/** What the account of an Ollama does. */
const ACCOUNT: readonly Row[] = [
  { method: 'POST', path: '/api/me', body: {} },
  { method: 'POST', path: '/api/signout' },
  { method: 'DELETE', path: '/api/user/keys/abc' },
  { method: 'GET', path: '/api/status' },
  { method: 'POST', path: '/api/experimental/web_search', body: { query: 'x' } },
  { method: 'POST', path: '/api/experimental/web_fetch', body: { url: 'http://x' } },
  { method: 'GET', path: '/api/experimental/model-recommendations' },
];
/** What is done with a model that it pays for. */
const MODEL: readonly Row[] = [
  { method: 'POST', path: '/api/chat', body: chat(CLOUD, 'hello') },
  { method: 'POST', path: '/api/generate', body: { model: CLOUD, keep_alive: 0 } },
  { method: 'POST', path: '/v1/chat/completions', body: chat(CLOUD, 'hello') },
  { method: 'POST', path: '/v1/messages', body: chat(CLOUD, 'hello', { max_tokens: 5 }) },
  { method: 'POST', path: '/v1/responses', body: { model: CLOUD, input: 'hello' } },
  { method: 'POST', path: '/v1/embeddings', body: { model: CLOUD, input: ['a', 'b'] } },
  { method: 'POST', path: '/api/show', body: { model: CLOUD } },
  { method: 'GET', path: `/v1/models/${CLOUD}` },
  { method: 'POST', path: '/api/pull', body: { model: CLOUD } },
  { method: 'POST', path: '/api/push', body: { model: CLOUD } },
  { method: 'POST', path: '/api/copy', body: { source: CLOUD, destination: 'mine' } },
  { method: 'POST', path: '/api/create', body: { model: 'mine', from: CLOUD } },
  { method: 'DELETE', path: '/api/delete', body: { model: CLOUD } },
];

const MODELS = [{ name: CLOUD }];

/** Two peers that have the model loaded, and a client whose machine's own Ollama is at `local`, if anywhere. */
const startPeers = (local?: string) =>
  startCluster({
    ollamas: [{ models: MODELS }, { models: MODELS }],
    loaded: [CLOUD, CLOUD],
    client: local === undefined ? { localFallback: false } : { localFallback: true, ollama: local },
  });

async function startWithLocal() {
  const local = await startSimulatedOllama({ models: MODELS });
  const cluster = await startPeers(local.url);
  const end = async () => {
    await cluster[Symbol.asyncDispose]();
    await local[Symbol.asyncDispose]();
  };
  const known = () => cluster.client.status().servers.find(({ kind }) => kind === 'local');
  await until(5000, 'the client to know its own Ollama', () => known()?.models.length === 1);
  return { local, cluster, [Symbol.asyncDispose]: end };
}

const asked = (one: Cluster['ollamas'][number], { method, path }: Row) =>
  one.seen.filter((seen) => seen.method === method && seen.path === path).length;

describe.each([...ACCOUNT, ...MODEL])('$method $path, which an ollama.com account is for', (row) => {
  const { method, path, body } = row;

  it('goes to this machine’s own Ollama and to no peer', async () => {
    await using setup = await startWithLocal();
    const { cluster, local } = setup;
    const answer = await ask(cluster, path, body, { method });
    expect(asked(local, row)).toBe(1);
    expect(cluster.ollamas.map((one) => asked(one, row))).toEqual([0, 0]);
    expect(answer.headers['x-ollana-reason']).toBe('own account');
    if (MODEL.includes(row)) return expect(answer.status).toBe(200);
    const direct = await ask(local, path, body, { method });
    expect(answer).toMatchObject({ status: direct.status, text: direct.text });
  });

  it('is refused, saying what to do, where there is none', async () => {
    await using cluster = await startPeers();
    const answer = await ask(cluster, path, body, { method });
    expect(answer.status).toBe(503);
    const { error } = JSON.parse(answer.text);
    const words = path.startsWith('/v1/') ? error.message : error;
    expect(words).toMatch(/ollama\.com.*this machine's own Ollama.*start one, or use --ollama URL/);
    expect(words).toContain(MODEL.includes(row) ? CLOUD : path);
    expect(cluster.ollamas.map((one) => asked(one, row))).toEqual([0, 0]);
  });
});

it('no peer stands in for this machine’s own Ollama when that dies', async () => {
  await using setup = await startWithLocal();
  const { cluster, local } = setup;
  await local.stop();
  const row = { method: 'POST', path: '/api/me' };
  expect(await ask(cluster, row.path, {})).toMatchObject({ status: 503 });
  const later = await ask(cluster, row.path, {});
  expect(later.status).toBe(503);
  expect(later.text).toContain('none running here');
  expect(cluster.ollamas.map((one) => asked(one, row))).toEqual([0, 0]);
});

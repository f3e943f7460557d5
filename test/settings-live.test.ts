import { describe, expect, it } from 'vitest';
import { LIVE } from '../src/daemon/reload.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { call } from './_api.ts';
import { cli } from './_cli.ts';
import { until, within } from './_deadline.ts';
import { ALONE, type Configured, OUTSIDE, startConfigured } from './_settings.ts';

const saved = async ({ save }: Configured, values: object, headers = {}) => {
  const answer = await save(values, headers);
  expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('it counts now')]);
};
const generate = (url: string, model = 'one') =>
  call(url, '/api/generate', { method: 'POST', body: { model, prompt: 'x', stream: false } });

/** A client that knows nobody. */
const client = () => startConfigured(`${ALONE}local-fallback = false\n`);

/** A server that can be asked by a peer. */
async function server(ollama: string) {
  const started = await startConfigured(`${ALONE}host = "0.0.0.0"\nollama = "${ollama}"\n`, ['serve']);
  await until(10_000, 'Ollama is seen', async () => (await call(started.url, '/api/tags')).status === 200);
  const outside = `http://${OUTSIDE}:${started.daemon.port}`;
  return { started, outside };
}

/** For each option that a running daemon takes over: how anybody notices. */
const CASES: Readonly<Record<string, () => Promise<void>>> = {
  holdMs: async () => {
    await using started = await client();
    await saved(started, { hold: 0 });
    const answer = await within(5000, 'no waiting', generate(started.url));
    expect(answer.status).toBe(503);
    await saved(started, { hold: 1500 });
    const from = performance.now();
    expect((await generate(started.url)).status).toBe(503);
    expect(performance.now() - from).toBeGreaterThan(1400);
    expect(started.text()).toContain('hold = "1500ms"');
  },
  logLevel: async () => {
    await using ollama = await startSimulatedOllama({ models: [{ name: 'one' }] });
    await using started = await startConfigured(
      `${ALONE}local-fallback = false\nserver = "${ollama.url}"\nlog-format = "json"\n`,
    );
    await until(10_000, 'the server', async () => (await generate(started.url)).status === 200);
    expect(started.daemon.process.output).not.toContain('"level":"debug"');
    await saved(started, { 'log-level': 'debug' });
    await generate(started.url);
    await started.daemon.process.waitFor(/"level":"debug"/);
  },
  origins: async () => {
    await using started = await client();
    const asked = async () =>
      (await call(started.url, '/api/version', { headers: { Origin: 'http://my.app' } })).status;
    expect(await asked()).toBe(403);
    await saved(started, { origins: ['http://my.app'] });
    expect(await asked()).not.toBe(403);
    await saved(started, { origins: null });
    expect(await asked()).toBe(403);
  },
  requireKey: async () => {
    await using started = await client();
    await saved(started, { hold: 0 });
    const tags = async (headers = {}) => (await call(started.url, '/api/tags', { headers })).status;
    // Nobody is there to tell of models.
    expect(await tags()).toBe(503);
    await saved(started, { 'require-key': true });
    expect(await tags()).toBe(401);
    // Whoever has no key may not have that ended, nor change anything else.
    const refused = await started.save({ 'require-key': false });
    expect([refused.status, refused.json.error]).toEqual([401, expect.stringContaining('ollana key add')]);
    const made = await cli(['key', 'add', 'page', '--data-dir', started.daemon.dataDir]);
    const key = /\bollana_\S+/.exec(made.stdout)?.[0];
    const headers = { Authorization: `Bearer ${key}` };
    expect(await tags(headers)).toBe(503);
    await saved(started, { 'require-key': null }, headers);
    expect(await tags()).toBe(503);
  },
  servers: async () => {
    await using ollama = await startSimulatedOllama({ models: [{ name: 'one' }] });
    await using started = await client();
    const holds = async () => (await call(started.url, '/api/tags')).text.includes('"one');
    expect(await holds()).toBe(false);
    await saved(started, { server: [`${ollama.url}=attic`] });
    await until(10_000, 'attic is used', holds);
    await saved(started, { server: [] });
    await until(10_000, 'attic is left', async () => !(await holds()));
  },
  allow: async () => {
    await using ollama = await startSimulatedOllama({ models: [{ name: 'one' }] });
    const { started, outside } = await server(ollama.url);
    await using _ = started;
    const copies = async () => {
      const body = { source: 'one', destination: 'two' };
      return (await call(outside, '/api/copy', { method: 'POST', body })).status;
    };
    expect(await copies()).toBe(403);
    await saved(started, { allow: ['manage'] });
    expect(await copies()).toBe(200);
    await saved(started, { allow: [] });
    expect(await copies()).toBe(403);
  },
  allowRegistry: async () => {
    await using ollama = await startSimulatedOllama({ models: [{ name: 'one' }] });
    const { started, outside } = await server(ollama.url);
    await using _ = started;
    await saved(started, { allow: ['manage'] });
    const pulls = async () => {
      const body = { model: 'hf.example/a/b', stream: false };
      return (await call(outside, '/api/pull', { method: 'POST', body })).text;
    };
    expect(await pulls()).toContain('--allow-registry');
    await saved(started, { 'allow-registry': ['hf.example'] });
    expect(await pulls()).not.toContain('--allow-registry');
  },
};

describe('each setting that counts at once', { timeout: 60_000 }, () => {
  it('has a case here', () => {
    expect(Object.keys(CASES).sort()).toEqual([...LIVE].sort());
  });

  for (const [key, check] of Object.entries(CASES))
    it.skipIf(key.startsWith('allow') && !OUTSIDE)(`${key} changes what happens`, check);
});

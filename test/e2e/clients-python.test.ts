import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestProcess } from '../_process.ts';
import { skipBecause } from '../_skip.ts';
import { comparable, HANDY, HANDY_TEMPLATE } from './_clients-asks.ts';
import { PROXIED, startWays, type Way, type Ways } from './_conformance-ways.ts';
import { realOllamaUnavailable } from './_real-ollama.ts';

const SCRIPT = fileURLToPath(new URL('_clients-python.py', import.meta.url));
/** A real model on a busy machine with two cores, asked a dozen times. */
const TEST_MS = 60_000;

/** Where `.ci/run` leaves Ollama's Python client, as a value for `PYTHONPATH`; checked by loading it. */
function pythonPath(): string | undefined {
  const cache = join(homedir(), '.cache', 'ollana-ci');
  const built = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('python-')) : [];
  const given = process.env.OLLANA_PYTHON_CLIENT;
  const loads = (path: string) =>
    spawnSync('python3', ['-c', 'import ollama'], { env: { ...process.env, PYTHONPATH: path } }).status === 0;
  return [...(given ? [given] : []), ...built.map((name) => join(cache, name))].find(loads);
}

interface Said {
  readonly stream: readonly unknown[];
  readonly asynchronous: readonly string[];
  readonly embed: { readonly embeddings: readonly unknown[] };
  readonly list: { readonly models: readonly unknown[] };
  readonly tools: { readonly message: unknown };
  readonly 'no tools': unknown;
  readonly nobody: unknown;
}

describe("Ollama's Python client gets from ollana what it gets from the real Ollama", {
  timeout: TEST_MS,
}, () => {
  const path = pythonPath();
  const unavailable =
    realOllamaUnavailable() ??
    (path === undefined
      ? "Ollama's Python client is not here (bash scripts/ci/python.sh ~/.cache/ollana-ci, or set OLLANA_PYTHON_CLIENT)"
      : undefined);
  skipBecause(unavailable);

  let ways: Ways;
  let direct: Said;

  beforeAll(async () => {
    if (unavailable !== undefined) return;
    ways = await startWays();
    const body = { model: HANDY, from: 'smol', template: HANDY_TEMPLATE };
    await ways.host.http(`${ways.direct.inside}/api/create`, { body });
    await using script = start(ways.direct);
    direct = await said(script);
  }, TEST_MS);
  afterAll(() => ways?.[Symbol.asyncDispose]());

  function start({ inside }: Way): TestProcess {
    // No proxy of the caller's for plain addresses.
    const env = { PYTHONPATH: path ?? '', NO_PROXY: '*' };
    return ways.host.spawn('python3', [SCRIPT, inside, 'smol', HANDY], { env });
  }

  async function said(script: TestProcess): Promise<Said> {
    const [line] = await script.waitFor(/^\{.*\}$/m, TEST_MS);
    return JSON.parse(line) as Said;
  }

  test('the script asks for what it is meant to', () => {
    expect(direct.stream.length).toBeGreaterThan(2);
    expect(direct.asynchronous.length).toBe(direct.stream.length);
    expect(direct.embed.embeddings).toHaveLength(2);
    expect(direct.list.models).toHaveLength(2);
    expect(direct.tools.message).toMatchObject({
      tool_calls: [{ function: { name: 'now', arguments: {} } }],
    });
    expect(direct['no tools']).toMatchObject({ status: 400 });
    expect(direct.nobody).toEqual({ status: 404, error: "model 'nobody-has-this' not found" });
  });

  const proxied = PROXIED.map(({ title }, i) => ({ title, i }));
  test.each(proxied)('the same answers, and an abort that Ollama notices ($title)', async ({ i }) => {
    await using script = start(ways.proxied[i]!);
    expect(comparable(await said(script))).toEqual(comparable(direct));
    await ways.noticed('/api/chat', async () => {
      script.child.stdin?.write('leave\n');
      await script.waitFor(/^left$/m);
    });
  });
});

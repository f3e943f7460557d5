import { describe, expect, it } from 'vitest';
import { statusTable } from '../src/cli/status-table.ts';
import { lookAt } from '../src/daemon/look-at.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { until } from './_deadline.ts';
import { LIMITS, type Started, seen, start, untilKnown } from './_rust-cluster.ts';
import { startRustServer } from './_rust-server.ts';
import { ask, chat } from './_simulate-client.ts';

/** Resolves with the id that the user is told to allow. */
const toldId = (started: Started) =>
  until(
    5000,
    'an id to allow',
    () => /ollana device allow ([0-9a-f]{64})`/.exec(seen(started)?.reason ?? '')?.[1],
  );

/** The ids that the Rust server was shown. */
const shownIds = ({ rust }: Started) =>
  new Set(
    rust.asked.flatMap(({ headers }) =>
      headers.filter((_, i) => headers[i - 1]?.toLowerCase() === 'x-ollana-device-id'),
    ),
  );

describe('a server of the Rust ollana 0.5 or 0.6, which serves devices that its owner has allowed', () => {
  it('is not used while its owner has not, and what to type there is told', async () => {
    await using started = await start({ generation: 3 });
    const { cluster, rust } = started;
    const id = await toldId(started);
    expect(seen(started)).toMatchObject({
      verdict: 'unreliable',
      models: [],
      reason: `type \`ollana device allow ${id}\` on that machine and restart its ollana: ${rust.url} is an ollana 0.5 or 0.6 (Rust) that serves only devices its owner has allowed`,
    });
    expect((await ask(cluster, '/api/chat', chat('simulated', 'hi'))).status).toBe(200);
    expect(new Set(rust.asked.map(({ line }) => line))).toEqual(new Set(['POST /ollana/api/authorize']));
    expect([...shownIds(started)]).toEqual([id]);
    const table = statusTable(cluster.client.status());
    expect(table.replace(/\n/g, ' ')).toContain(`ollana device allow ${id}`);
  });

  it('is used as soon as it is allowed, with the id in every request', async () => {
    await using started = await start({ generation: 3 });
    const { cluster, rust } = started;
    const id = await toldId(started);
    rust.allowed.add(id);
    await untilKnown(started);
    const answer = await ask(cluster, '/api/chat', chat('old', 'hi'));
    expect([answer.status, answer.headers['x-ollana-server'], answer.complete]).toEqual([200, 'rust', true]);
    const lists = await ask(cluster, '/api/tags', '', { method: 'GET' });
    expect(lists.text).toContain('"old:latest"');
    expect([...shownIds(started)]).toEqual([id]);
    expect(id).not.toBe(cluster.client.status().deviceId);
  });

  it('has whoever asks told when its owner takes the word back, and is used again after that', async () => {
    await using started = await start({ generation: 3 });
    const { cluster, rust } = started;
    const id = await toldId(started);
    rust.allowed.add(id);
    await untilKnown(started);
    rust.allowed.clear();
    const refused = await ask(cluster, '/api/chat', chat('old', 'hi'));
    expect([refused.status, refused.headers['x-ollana-error']]).toEqual([503, 'OLLANA_NO_SERVER']);
    expect(refused.text).toContain(`ollana device allow ${id}`);
    expect(seen(started)).toMatchObject({ verdict: 'unreliable', models: ['old:latest'] });
    rust.allowed.add(id);
    await until(5000, 'it to be used again', () => seen(started)?.verdict === 'reliable');
    expect((await ask(cluster, '/api/chat', chat('old', 'hi'))).complete).toBe(true);
  });

  it('is told of by `discover`, which makes no id of its own and says who does', async () => {
    await using behind = await startSimulatedOllama({ models: [{ name: 'old' }] });
    await using rust = await startRustServer({ generation: 3, ollama: behind.url });
    const look = (shownIds?: (sha256: string) => string) =>
      lookAt(rust.url, { ...LIMITS, signal: new AbortController().signal, shownIds });
    expect(await look()).toMatchObject({
      state: 'rejected',
      code: 'OLLANA_NOT_ALLOWED',
      reason: expect.stringContaining('`ollana status` says what to type on that machine'),
    });
    expect(rust.asked.every(({ headers }) => !headers.includes('X-Ollana-Device-Id'))).toBe(true);
    rust.allowed.add('ab'.repeat(32));
    expect(await look(() => 'ab'.repeat(32))).toMatchObject({
      state: 'usable',
      identity: { kind: 'ollama', deviceId: rust.sha256 },
    });
  });

  it('is shown an id of its own, which opens no other server', async () => {
    await using started = await start({ generation: 3 });
    const id = await toldId(started);
    started.rust.renew();
    await until(6000, 'another id', async () => (await toldId(started)) !== id);
    expect(shownIds(started).size).toBeGreaterThan(1);
  });
});

import { describe, expect, test } from 'vitest';
import { CLI } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, simulatedOn, untilListed } from './_fleet.ts';
import { createLab, type LabHost } from './_lab.ts';
import { rustOn, rustUnavailable } from './_rust.ts';

/** Where the client mode of the Rust ollana listens. */
const RUST_FACE = 'http://127.0.0.1:11434';

const chat = (model: string, content = 'hi') => ({
  model,
  messages: [{ role: 'user', content }],
});

async function statusOf(host: LabHost, url = LOCAL_FACE) {
  const answer = await host.http(`${url}/ollana/api/status`);
  return answer.json() as {
    deviceId: string;
    servers: { verdict: string; reason?: string }[];
  };
}

/** Resolves when a client of the Rust ollana lets apps in, which it does when it has a server. */
const untilOpen = (host: LabHost) =>
  until(20_000, 'the Rust client to have a server', async () => {
    const answer = await host.http(`${RUST_FACE}/api/version`);
    return answer.status === 200;
  });

/** Resolves when it has met a server so many times that its user has not allowed. */
const untilMet = (rust: TestProcess, times: number) =>
  rust.waitFor(new RegExp(`(not allowed to be registered[^]*){${times}}`), 20_000);

describe('the Rust ollana 0.6', () => {
  skipBecause(rustUnavailable());

  test('as a client does not exit when it meets our server, and uses it once allowed', async () => {
    await using lab = await createLab({ hosts: ['gpu', 'laptop'], defaultRoute: true });
    const [gpu, laptop] = [lab.host('gpu'), lab.host('laptop')];
    const ollama = await simulatedOn(gpu, { models: [{ name: 'm' }], answer: 'one two three' });
    await using server = await serveOn(gpu);
    await untilListed(gpu, ['m']);
    await using rust = await rustOn(laptop);
    const stranger = await rust.serve();
    await untilMet(stranger, 2);
    expect(stranger.output).toContain('Running in Client Mode');
    expect(stranger.child.exitCode).toBe(null);
    const { deviceId } = await statusOf(gpu);
    expect(stranger.output).toContain(`not allowed to be registered: ${deviceId}`);
    await stranger.stop();

    await rust.allow(deviceId);
    const friend = await rust.serve();
    await untilOpen(laptop);
    const tags = await laptop.http(`${RUST_FACE}/api/tags`);
    expect((tags.json() as { models: unknown[] }).models).toHaveLength(1);
    const still = await laptop.http(`${RUST_FACE}/api/chat`, { body: { ...chat('m'), stream: false } });
    expect(still.json()).toMatchObject({ done: true, message: { content: 'one two three' } });
    const lines = await laptop.http(`${RUST_FACE}/api/chat`, { body: chat('m', 'x'.repeat(300_000)) });
    expect([lines.status, lines.error]).toEqual([200, undefined]);
    expect(lines.lines.at(-1)?.text).toContain('"done":true');
    const events = await laptop.http(`${RUST_FACE}/v1/chat/completions`, {
      body: { ...chat('m'), stream: true },
    });
    expect(events.text).toContain('data: [DONE]');
    const refused = await laptop.http(`${RUST_FACE}/api/pull`, { body: { model: 'other' } });
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('--allow manage')]);

    // Its server's Ollama goes and comes back, then the server itself: it lives on.
    await ollama.stop('SIGKILL');
    await laptop.http(`${RUST_FACE}/api/chat`, { body: chat('m') });
    await simulatedOn(gpu, { models: [{ name: 'm' }] });
    await untilListed(gpu, ['m']);
    await untilOpen(laptop);
    await server.stop();
    await friend.waitFor(/Deregistering/, 30_000);
    expect(friend.child.exitCode).toBe(null);
  }, 120_000);

  test('as a server is used by our client once its owner allows the id that our client tells', async () => {
    await using lab = await createLab({ hosts: ['old', 'gpu', 'laptop'], defaultRoute: true });
    const [old, gpu, laptop] = [lab.host('old'), lab.host('gpu'), lab.host('laptop')];
    for (const host of [old, gpu])
      await simulatedOn(host, {
        models: [{ name: `of-${host.name}`, tokensPerSecond: 10 }],
        answer: 'one two three',
      });
    await using rust = await rustOn(old);
    const theirs = await rust.serve();
    expect(theirs.output).toContain('Running in Server Mode');
    await using server = await serveOn(gpu);
    await using client = await clientOn(laptop);
    await untilListed(laptop, ['of-gpu']);
    const reason = await until(10_000, 'a reason', async () => {
      const { servers } = await statusOf(laptop);
      return servers.map((one) => one.reason ?? '').find((text) => text.includes('Rust'));
    });
    const [, id = ''] = /ollana device allow ([0-9a-f]{64})`/.exec(reason) ?? [];
    expect(reason).toBe(
      `type \`ollana device allow ${id}\` on that machine and restart its ollana: http://10.77.0.1:11435 is an ollana 0.5 or 0.6 (Rust) that serves only devices its owner has allowed`,
    );
    const run = await laptop.http(`${LOCAL_FACE}/api/chat`, { body: { ...chat('of-gpu'), stream: false } });
    expect([run.status, run.headers['x-ollana-server']]).toEqual([200, 'gpu']);

    await rust.allow(id);
    await theirs.stop();
    const friend = await rust.serve();
    await untilListed(laptop, ['of-gpu', 'of-old'], 20_000);
    const lines = await laptop.http(`${LOCAL_FACE}/api/chat`, { body: chat('of-old', 'x'.repeat(300_000)) });
    expect([lines.status, lines.error, lines.headers['content-type']]).toEqual([
      200,
      undefined,
      'application/x-ndjson',
    ]);
    expect(lines.headers['x-ollana-server']).toBe('10.77.0.1:11435');
    const [first, last] = [lines.lines[0]!, lines.lines.at(-1)!];
    expect(last.text).toContain('"done":true');
    // A stream arrives as it is made, not when it is over.
    expect(last.at - first.at).toBeGreaterThan(100);
    const events = await laptop.http(`${LOCAL_FACE}/v1/chat/completions`, {
      body: { ...chat('of-old'), stream: true },
    });
    expect([events.headers['content-type'], events.text]).toEqual([
      'text/event-stream',
      expect.stringContaining('data: [DONE]'),
    ]);
    const still = await laptop.http(`${LOCAL_FACE}/api/chat`, { body: { ...chat('of-old'), stream: false } });
    expect(still.json()).toMatchObject({ done: true, message: { content: 'one two three' } });

    // Its owner takes the word back.
    await rust.disable(id);
    await friend.stop();
    const again = await rust.serve();
    await until(20_000, 'the refusal to be told', async () =>
      (await statusOf(laptop)).servers.some(
        (one) => one.verdict === 'unreliable' && one.reason?.includes(`ollana device allow ${id}`),
      ),
    );
    for (const { process } of [client, server]) expect(process.child.exitCode).toBe(null);
    expect(again.child.exitCode).toBe(null);
  }, 120_000);

  test('as a server is refused where pairing is required, until the user allows its certificate', async () => {
    await using lab = await createLab({ hosts: ['old', 'laptop'], defaultRoute: true });
    const [old, laptop] = [lab.host('old'), lab.host('laptop')];
    await simulatedOn(old, { models: [{ name: 'm' }], answer: 'one two three' });
    await using rust = await rustOn(old);
    const theirs = await rust.serve();
    await using client = await clientOn(laptop, ['--require-pairing']);
    const toldId = (words: RegExp) =>
      until(20_000, `${words}`, async () => {
        const { servers } = await statusOf(laptop);
        return servers.map((one) => words.exec(one.reason ?? '')?.[1]).find((id) => id !== undefined);
      });
    const certificate = await toldId(/^found, not paired: type `ollana device allow (\w{64})` here/);
    expect(theirs.output).not.toContain('/api/');
    const allowed = await laptop.exec(process.execPath, [
      ...[CLI, 'device', 'allow', `${certificate}=old`, '--data-dir', client.dataDir],
    ]);
    expect([allowed.code, allowed.stderr]).toEqual([0, '']);
    await rust.allow(await toldId(/^type `ollana device allow (\w{64})` on that machine/));
    await theirs.stop();
    await rust.serve();
    await untilListed(laptop, ['m'], 30_000);
    const answer = await laptop.http(`${LOCAL_FACE}/api/chat`, { body: { ...chat('m'), stream: false } });
    expect(answer.json()).toMatchObject({ done: true, message: { content: 'one two three' } });
  }, 90_000);

  test('as a client lives on where both kinds of server are, and uses those of its own', async () => {
    await using lab = await createLab({ hosts: ['old', 'gpu', 'laptop'], defaultRoute: true });
    const [old, gpu, laptop] = [lab.host('old'), lab.host('gpu'), lab.host('laptop')];
    for (const host of [old, gpu]) await simulatedOn(host, { models: [{ name: `of-${host.name}` }] });
    await using theirServer = await rustOn(old);
    await using theirClient = await rustOn(laptop);
    await theirServer.allow(theirClient.id);
    await theirClient.allow(theirServer.id);
    await theirServer.serve();
    await using server = await serveOn(gpu);
    const rust = await theirClient.serve();
    await untilOpen(laptop);
    const tags = await laptop.http(`${RUST_FACE}/api/tags`);
    expect(tags.text).toContain('of-old');
    await untilMet(rust, 1);
    expect(rust.child.exitCode).toBe(null);
    expect(server.process.child.exitCode).toBe(null);
  }, 60_000);
});

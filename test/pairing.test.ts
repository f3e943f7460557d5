import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { PAIR_PATH } from '../src/daemon/gate.ts';
import { PAIRING_PATH, type PairingLine } from '../src/daemon/pair-door.ts';
import { type PairWithOptions, pairWith } from '../src/daemon/pair-guest.ts';
import { fetchSmall } from '../src/ollama/client.ts';
import { loadDevices } from '../src/security/allow-list.ts';
import { loadIdentity, passingIdentity } from '../src/security/identity.ts';
import { fasterClock } from './_cluster-config.ts';
import { until } from './_deadline.ts';
import {
  agentAs,
  errorIn,
  noOutside,
  OUTSIDE,
  startInterloper,
  startTwo,
  type Two,
  untilUsed,
} from './_paired.ts';
import { ask, chat } from './_simulate-client.ts';
import { skipBecause } from './_skip.ts';

skipBecause(noOutside);

/** What the server's user sees. */
interface Shown extends Disposable {
  readonly lines: readonly PairingLine[];
  /** The newest code; waits for the `n`-th. */
  code(n?: number): Promise<string>;
  over(): Promise<PairingLine>;
}

function show(url: string, body = {}): Shown {
  const lines: PairingLine[] = [];
  let rest = '';
  const sent = request(`${url}${PAIRING_PATH}`, { method: 'POST', agent: false }, (response) => {
    response.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts.map((part) => JSON.parse(part) as PairingLine));
    });
    response.on('error', () => {});
  });
  sent.on('error', () => {});
  sent.setHeader('Content-Type', 'application/json');
  sent.end(JSON.stringify(body));
  const codes = () => lines.flatMap((line) => ('code' in line ? [line.code] : []));
  return {
    lines,
    code: (n = 1) => until(5000, `code ${n}`, () => codes()[n - 1]),
    over: () => until(5000, 'the pairing to end', () => lines.find((line) => !('code' in line))),
    [Symbol.dispose]: () => void sent.destroy(),
  };
}

function guest(
  two: Two,
  url: string,
  askCode: PairWithOptions['askCode'],
  own = loadIdentity(two.clientDir),
) {
  return pairWith({
    url,
    own,
    name: 'laptop',
    dataDir: two.clientDir,
    rights: ['inference', 'read'],
    clock: systemClock,
    connectTimeoutMs: 2000,
    askCode,
  });
}

const wrong = (digits: string) => String((Number(digits) + 1) % 1_000_000).padStart(6, '0');

describe('pairing', () => {
  it('enters each into the list of the other, which counts at once', async () => {
    await using two = await startTwo();
    const server = await two.serve();
    using shown = show(server.url);
    const code = await shown.code();
    const device = await guest(two, server.outside, async (host) => {
      expect(host).toBe('gpu');
      return code;
    });
    expect(device).toMatchObject({ id: two.serverId, name: 'gpu' });
    expect(await shown.over()).toEqual({ paired: { id: two.clientId, name: 'laptop' } });
    expect(await loadDevices(two.serverDir)).toMatchObject([
      { id: two.clientId, name: 'laptop', rights: ['inference', 'read'] },
    ]);
    expect(await loadDevices(two.clientDir)).toMatchObject([{ id: two.serverId, name: 'gpu' }]);
    expect((await ask({ url: server.outside }, '/api/tags')).status).toBe(403);
    const client = await two.client([`${server.outside}=gpu`]);
    await untilUsed(client);
    expect(await ask(client, '/api/chat', chat('simulated', 'x'))).toMatchObject({ status: 200 });
  });

  it('takes a new code after a wrong one, three at most', async () => {
    await using two = await startTwo();
    const server = await two.serve();
    using shown = show(server.url, { manage: true });
    for (const n of [1, 2, 3]) {
      const code = await shown.code(n);
      await expect(guest(two, server.outside, async () => wrong(code))).rejects.toThrow(/wrong code/);
    }
    expect(await shown.over()).toEqual({ over: expect.stringMatching(/^3 codes/) });
    expect([await loadDevices(two.serverDir), await loadDevices(two.clientDir)]).toEqual([[], []]);
    await expect(guest(two, server.outside, async () => '000000')).rejects.toThrow(/no code is shown on gpu/);
    using again = show(server.url, { manage: true });
    const code = await again.code();
    // The old one costs nothing when another guest has used it up meanwhile.
    await guest(two, server.outside, async () => code);
    expect((await loadDevices(two.serverDir))[0]?.rights).toContain('manage');
  });

  it('does not count an answer to a code that is over', async () => {
    await using two = await startTwo();
    const server = await two.serve();
    using shown = show(server.url);
    const first = await shown.code();
    const late = guest(two, server.outside, async () => {
      await expect(guest(two, server.outside, async () => wrong(first))).rejects.toThrow(/wrong code/);
      return first;
    });
    await expect(late).rejects.toThrow(/that code is over/);
    const second = await shown.code(2);
    await guest(two, server.outside, async () => second);
    expect(shown.lines).toHaveLength(3);
  });

  it('ends after two minutes, and when whoever looks at the code leaves', async () => {
    await using two = await startTwo();
    const server = await two.serve();
    const left = show(server.url);
    await left.code();
    left[Symbol.dispose]();
    await until(2000, 'the code to be forgotten', async () => {
      const failed = await guest(two, server.outside, async () => '000000').catch(
        (error: Error) => error.message,
      );
      return String(failed).includes('no code is shown');
    });
    await server.stop();
    const fast = await two.serve({}, {}, fasterClock(100));
    using shown = show(fast.url);
    expect(await shown.over()).toEqual({ over: 'nobody has used the code within 2 minutes' });
  });

  it('is for one at a time, for programs of this machine, and not for web pages', async () => {
    await using two = await startTwo();
    const server = await two.serve();
    using shown = show(server.url);
    await shown.code();
    const headers = { 'content-type': 'application/json' };
    const second = await ask(server, PAIRING_PATH, '{}', { headers });
    expect([second.status, errorIn(second)]).toEqual([409, expect.stringContaining('going on already')]);
    expect(await ask({ url: server.outside }, PAIRING_PATH, '{}', { headers })).toMatchObject({
      status: 403,
    });
    const origin = { ...headers, origin: 'http://localhost:3000' };
    expect(await ask(server, PAIRING_PATH, '{}', { headers: origin })).toMatchObject({ status: 403 });
    expect(await ask({ url: server.outside }, PAIR_PATH, '{"step":"greet"}', { headers })).toMatchObject({
      status: 403,
    });
  });

  it('in client mode that nobody reaches says where the code is to be shown', async () => {
    await using two = await startTwo();
    const client = await two.client([]);
    const headers = { 'content-type': 'application/json' };
    const answer = await ask(client, PAIRING_PATH, '{}', { headers });
    expect([answer.status, errorIn(answer)]).toEqual([409, expect.stringContaining('on the server')]);
  });

  it('through a man in the middle fails, and nobody is entered', async () => {
    await using two = await startTwo();
    const server = await two.serve();
    const port = Number(new URL(server.url).port);
    await using between = await startInterloper(passingIdentity(), OUTSIDE ?? '', port);
    using shown = show(server.url);
    const code = await shown.code();
    await expect(guest(two, between.url, async () => code)).rejects.toThrow(/not paired/);
    expect(between.heard()).toContain(PAIR_PATH);
    expect(between.heard()).not.toContain(code);
    expect([await loadDevices(two.serverDir), await loadDevices(two.clientDir)]).toEqual([[], []]);
    // It has cost a code: whoever sits at the server sees that something is wrong.
    await shown.code(2);
  });

  it('with nonsense is refused, and harms nobody', async () => {
    await using two = await startTwo();
    const server = await two.serve();
    using shown = show(server.url);
    await shown.code();
    const agent = agentAs(passingIdentity());
    const say = (body: string) =>
      fetchSmall(server.outside + PAIR_PATH, {
        clock: systemClock,
        connectTimeoutMs: 2000,
        timeoutMs: 5000,
        agent,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(body),
      });
    const offer = JSON.parse((await say('{"step":"greet"}')).body.toString()) as Record<string, string>;
    const hex = 'ab'.repeat(16);
    for (const [status, body] of [
      [400, '{'],
      [400, '[]'],
      [400, '{"step":"greet?"}'],
      [400, '{"step":"prove"}'],
      [400, JSON.stringify({ step: 'prove', name: 'x', salt: hex, guestKey: 'zz', proof: hex })],
      [400, JSON.stringify({ step: 'prove', name: 'x', salt: hex, guestKey: 'ab'.repeat(400), proof: hex })],
      [413, `{"step":"${'x'.repeat(9000)}"}`],
      [409, JSON.stringify({ step: 'prove', name: 'x', salt: hex, guestKey: hex, proof: hex })],
      [403, JSON.stringify({ step: 'prove', name: 'x', salt: offer.salt, guestKey: '00', proof: hex })],
    ] as const)
      expect([body.slice(0, 40), (await say(body)).status]).toEqual([body.slice(0, 40), status]);
    await shown.code(2);
    expect(shown.lines).toHaveLength(2);
    expect((await ask(server, '/api/tags')).status).toBe(200);
  });
});

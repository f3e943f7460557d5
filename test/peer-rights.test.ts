import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { fetchSmall } from '../src/ollama/client.ts';
import { changeDevices, type Right, readDevices, writeDevices } from '../src/security/allow-list.ts';
import { loadIdentity, passingIdentity } from '../src/security/identity.ts';
import { until } from './_deadline.ts';
import { agentAs, allow, noOutside, OUTSIDE, startTwo, type Two, untilUsed } from './_paired.ts';
import { chat, send } from './_simulate-client.ts';
import { skipBecause } from './_skip.ts';

skipBecause(noOutside);

const LIMITS = { clock: systemClock, connectTimeoutMs: 2000, timeoutMs: 5000 };

/** What each right opens, the paths of ollana's own among them. */
const CALLS: readonly {
  readonly right: Right;
  readonly path: string;
  readonly body?: object;
  readonly method?: string;
}[] = [
  { right: 'read', path: '/' },
  { right: 'read', path: '/api/tags' },
  { right: 'read', path: '/v1/models/simulated' },
  { right: 'read', path: '/api/show', body: { model: 'simulated' } },
  { right: 'inference', path: '/api/chat', body: chat('simulated', 'x', { stream: false }) },
  { right: 'inference', path: '/v1/chat/completions', body: chat('simulated', 'x') },
  { right: 'inference', path: '/api/generate', body: { model: 'simulated', keep_alive: 0 } },
  { right: 'manage', path: '/api/delete', body: { model: 'none' }, method: 'DELETE' },
];

async function setRights(two: Two, rights: readonly Right[]): Promise<void> {
  const since = '2026-01-01T00:00:00.000Z';
  await changeDevices(two.serverDir, () => [{ id: two.clientId, name: 'laptop', since, rights }]);
}

/** The right of each call that was not refused, once each. */
async function open(two: Two, outside: string): Promise<readonly string[]> {
  const agent = agentAs(loadIdentity(two.clientDir));
  const passed = new Set<string>();
  for (const { right, path, body, method } of CALLS) {
    const answer = await fetchSmall(outside + path, {
      ...LIMITS,
      agent,
      method: method ?? (body ? 'POST' : 'GET'),
      ...(body && { body: Buffer.from(JSON.stringify(body)) }),
    });
    const text = answer.body.toString();
    if (answer.status !== 403) passed.add(right);
    else {
      expect(passed.has(right), `${path}: ${text}`).toBe(false);
      const word = right === 'manage' ? ' --manage' : '';
      expect(text).toContain(`so it is refused from the device that asks; its owner can allow it there`);
      expect(text).toContain(`ollana device allow ${two.clientId}${word}\``);
    }
  }
  return [...passed];
}

describe('the rights of a paired device', () => {
  it.each([
    [[]],
    [['read']],
    [['inference']],
    [['inference', 'read']],
    [['inference', 'read', 'manage']],
  ] as const)('%j open just that, and a refusal says what to type on the server', async (rights) => {
    await using two = await startTwo();
    await setRights(two, rights);
    const server = await two.serve();
    expect(new Set(await open(two, server.outside))).toEqual(new Set(rights));
    if (!(rights as readonly string[]).includes('inference'))
      expect(server.ollama.seen.filter(({ method }) => method === 'POST').map(({ path }) => path)).toEqual(
        (rights as readonly string[]).includes('read') ? ['/api/show'] : [],
      );
  });

  it('count for the queue and the news of the server, too', async () => {
    await using two = await startTwo();
    await setRights(two, []);
    const server = await two.serve();
    const agent = agentAs(loadIdentity(two.clientDir));
    for (const [path, method] of [
      ['/ollana/api/tickets', 'POST'],
      ['/ollana/api/watch', 'GET'],
    ] as const) {
      const body = method === 'POST' ? { body: Buffer.from('{"model":"simulated"}') } : {};
      const answer = await fetchSmall(server.outside + path, { ...LIMITS, agent, method, ...body });
      expect([path, answer.status, answer.headers['x-ollana-error']]).toEqual([
        path,
        403,
        'OLLANA_NOT_ALLOWED',
      ]);
    }
  });

  it('that are taken away count from the next request on, and the laptop passes the reason on', async () => {
    await using two = await startTwo();
    await two.pair();
    const server = await two.serve();
    const client = await two.client([`${server.outside}=gpu`], { holdMs: 300 });
    await untilUsed(client);
    const run = () => send(client, '/api/chat', chat('simulated', 'x')).answer;
    expect((await run()).status).toBe(200);
    await setRights(two, ['read']);
    const refused = await until(3000, 'the right to be gone', async () => {
      const answer = await run();
      return answer.status === 403 && answer;
    });
    expect(refused.text).toContain(`ollana device allow ${two.clientId}`);
  });

  it('are no less than what everybody has where nobody need be paired', async () => {
    await using two = await startTwo();
    await setRights(two, []);
    const server = await two.serve({ requirePairing: false });
    expect(await open(two, server.outside)).toEqual(['read', 'inference']);
  });

  it('are read as they are written, and what is no right is none', () => {
    const device = { id: 'a'.repeat(64), name: '', since: '', rights: ['read'] as const };
    expect(readDevices(writeDevices([device]))).toEqual([device]);
    const odd = JSON.stringify({ devices: [{ ...device, rights: ['cloud', 'read', 7] }] });
    expect(readDevices(odd)[0]?.rights).toEqual(['read']);
  });
});

describe('a turn in the queue', () => {
  it('is a paired device’s, however many devices it says that it is', async () => {
    await using two = await startTwo();
    await two.pair();
    const other = passingIdentity();
    await allow(two.serverDir, other.deviceId, 'other');
    const answer = (prompt: string) => (prompt === 'endless' ? 'word '.repeat(10_000) : 'one two three');
    const models = [{ name: 'm', tokensPerSecond: 100, loadMs: 0 }];
    const server = await two.serve({ parallel: 1 }, { models, answer });
    const done: string[] = [];
    const port = Number(new URL(server.outside).port);
    const ask = (agent: ReturnType<typeof agentAs>, who: string, named: string) => {
      const headers = { 'X-Ollana-Device': named, Via: '1.1 ollana-client-0123456789abcdef' };
      const sent = request({ host: OUTSIDE, port, path: '/api/chat', method: 'POST', agent, headers });
      sent.on('error', () => {});
      sent.on('response', (response) => response.on('end', () => done.push(who)).resume());
      sent.end(JSON.stringify(chat('m', who)));
      return sent;
    };
    const untilThere = (count: number) =>
      until(10_000, `${count} requests to be there`, () => server.status().inFlight === count);
    const greedy = agentAs(loadIdentity(two.clientDir));
    const endless = ask(greedy, 'endless', '0'.repeat(64));
    await untilThere(1);
    for (let i = 1; i <= 6; i += 1) ask(greedy, 'greedy', String(i).repeat(64));
    await untilThere(7);
    ask(agentAs(other), 'honest', 'f'.repeat(64));
    await untilThere(8);
    endless.destroy();
    await until(10_000, 'all to be answered', () => done.length === 7);
    // The device whose turn it was is served, then comes the other one, and not after six.
    expect(done.indexOf('honest')).toBeLessThanOrEqual(1);
  });
});

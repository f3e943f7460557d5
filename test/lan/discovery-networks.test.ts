import { describe, expect, test } from 'vitest';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, serversSeenBy, simulatedOn, untilListed } from './_fleet.ts';
import { createLab, type LabHost, labAvailable } from './_lab.ts';
import { dropUdp, filterUnavailable, loseSome } from './_weather.ts';

const MODEL = { name: 'tiny', tokensPerSecond: 500 };
/** `OLLANA_LAB_LONG=1` for more than a glimpse. */
const ROUNDS = process.env.OLLANA_LAB_LONG === '1' ? 5 : 1;
const CHAT = { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] };

/** Resolves when a host's ollana knows these servers and no other, all of them reliable. */
const untilSees = (host: LabHost, names: readonly string[], ms = 10_000) =>
  until(ms, `${names} on ${host.name}`, async () => {
    const seen = await serversSeenBy(host);
    const reliable = seen.filter(({ verdict }) => verdict === 'reliable').map(({ name }) => name);
    return seen.length === names.length && reliable.sort().join() === [...names].sort().join();
  });

/** A chat that has to run on the server of that name. */
async function chat(host: LabHost, name: string): Promise<void> {
  const answer = await host.http(`${LOCAL_FACE}/api/chat?server=${name}`, { body: CHAT });
  expect([answer.status, answer.headers['x-ollana-server']], answer.text).toEqual([200, name]);
}

describe('a laptop on two networks', { timeout: 60_000 }, () => {
  skipBecause(labAvailable());

  test('uses the servers of both, and takes the one that is on both for one', async () => {
    await using lab = await createLab({ hosts: [] });
    for (const name of ['left', 'right', 'middle', 'laptop']) await lab.addHost(name);
    await lab.addNetwork(['left', 'middle', 'laptop']);
    await lab.addNetwork(['right', 'middle', 'laptop']);
    const laptop = lab.host('laptop');
    await using _client = await clientOn(laptop, ['--no-local-fallback']);
    const servers = ['left', 'right', 'middle'];
    await Promise.all(servers.map((name) => simulatedOn(lab.host(name), { models: [MODEL] })));
    await using _servers = await startAll(servers.map((name) => () => serveOn(lab.host(name))));
    await untilSees(laptop, servers);
    for (const name of servers) await chat(laptop, name);
    // By whichever it is used: when that cable is pulled, the other one leads to the same server.
    const used = (await serversSeenBy(laptop)).find(({ name }) => name === 'middle')?.url ?? '';
    const [near, far] = used.includes('10.78.') ? [1, 'right'] : [2, 'left'];
    await laptop.linkDown(Number(near));
    await chat(laptop, 'middle');
    await chat(laptop, String(far));
    const after = (await serversSeenBy(laptop)).filter(({ name }) => name === 'middle');
    expect(after).toMatchObject([{ verdict: 'reliable' }]);
    expect(after[0]?.url).not.toBe(used);
  });
});

async function startAll(starts: readonly (() => Promise<AsyncDisposable>)[]): Promise<AsyncDisposable> {
  const all = await Promise.all(starts.map((start) => start()));
  return {
    [Symbol.asyncDispose]: async () => {
      await Promise.all(all.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}

describe('a network that loses every fifth packet', { timeout: 900_000 }, () => {
  skipBecause(labAvailable() ?? filterUnavailable());

  test('has its server found and used', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const [gpu, laptop] = [lab.host('gpu1'), lab.host('laptop')];
    await simulatedOn(gpu, { models: [MODEL] });
    const how = [await loseSome(gpu, 20), await loseSome(laptop, 20)];
    await using _client = await clientOn(laptop, ['--no-local-fallback']);
    const found: number[] = [];
    const used: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const server = await serveOn(gpu);
      const announced = await server.process.waitFor(/"time":"([^"]+)"[^\n]*announcing this server/);
      const from = Date.parse(announced[1] ?? '');
      await until(15_000, 'the server', async () => (await serversSeenBy(laptop)).length === 1);
      found.push(Date.now() - from);
      const answer = await laptop.http(`${LOCAL_FACE}/api/chat`, { body: CHAT, timeoutMs: 20_000 });
      expect(answer.status, answer.text).toBe(200);
      used.push(Date.now() - from);
      for (let i = 0; i < 2; i += 1) {
        const more = await laptop.http(`${LOCAL_FACE}/api/chat`, { body: CHAT, timeoutMs: 20_000 });
        expect(more.status, more.text).toBe(200);
      }
      await server.stop();
      await server[Symbol.asyncDispose]();
      // A goodbye that is lost leaves what mDNS said standing for two minutes.
      if (round + 1 < ROUNDS)
        await until(150_000, 'its end', async () => (await serversSeenBy(laptop)).length === 0);
    }
    const text = (values: readonly number[]) => values.map((ms) => ms.toFixed(0)).join(', ');
    console.log(
      `20 % lost each way (${how[0]}): found after ${text(found)} ms, first answer after ${text(used)} ms`,
    );
    expect(Math.max(...found)).toBeLessThan(12_000);
  });
});

describe('a network that does not pass everything', { timeout: 60_000 }, () => {
  skipBecause(labAvailable() ?? filterUnavailable());

  test('mDNS dropped: found by broadcast; both dropped: found where it is named, and nowhere else', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'nomdns', 'named', 'deaf'] });
    const gpu = lab.host('gpu1');
    await dropUdp(lab.host('nomdns'), [5353]);
    for (const name of ['named', 'deaf']) await dropUdp(lab.host(name), [5353, 11436]);
    await simulatedOn(gpu, { models: [MODEL] });
    const alone = ['--no-local-fallback'];
    await using _clients = await startAll([
      () => clientOn(lab.host('nomdns'), alone),
      () => clientOn(lab.host('named'), [...alone, '--server', `http://${gpu.ip}:11435`]),
      () => clientOn(lab.host('deaf'), alone),
    ]);
    await using server = await serveOn(gpu);
    for (const name of ['nomdns', 'named']) {
      await untilListed(lab.host(name), ['tiny']);
      await chat(lab.host(name), 'gpu1');
    }
    expect(await serversSeenBy(lab.host('deaf'))).toEqual([]);
    await server.stop();
    await until(3000, 'nobody left', async () => (await serversSeenBy(lab.host('nomdns'))).length === 0);
  });
});

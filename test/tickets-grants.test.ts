import { Agent } from 'node:http';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { serverLoad } from '../src/fleet/load.ts';
import { UNLOADED } from '../src/routing/finish.ts';
import { RemoteDesk } from '../src/server/remote-desk.ts';
import { startBefore } from './_cluster.ts';
import { until } from './_deadline.ts';
import { openGranted, openTicket, startTap, watchLoad } from './_door.ts';
import { chat, send, within } from './_simulate-client.ts';
import { askedOf, ollamaOf, serverUrl, start } from './_tickets.ts';

describe('a grant', () => {
  it('lapses after 2 s when nobody claims it, and the next one is served', async () => {
    await using cluster = await start(1);
    const url = serverUrl(cluster);
    const first = await openGranted(url, 'a');
    const second = openTicket(url, 'b');
    await until(5000, 'the second grant', () => second.grant() !== undefined);
    const waited = (second.grantedAt() ?? 0) - (first.grantedAt() ?? 0);
    expect(waited).toBeGreaterThan(1900);
    expect(waited).toBeLessThan(2500);
    expect((await first.answer).complete).toBe(true);
    const late = await claim(url, first.grant(), 'a');
    expect([late.status, late.headers['x-ollana-error']]).toEqual([503, 'OLLANA_BUSY']);
    expect((await claim(url, second.grant(), 'b')).status).toBe(200);
  });

  it('is for the device that it was given to, and once', async () => {
    await using cluster = await start(1);
    const url = serverUrl(cluster);
    const ticket = await openGranted(url, 'a');
    for (const [id, device] of [
      [ticket.grant(), 'b'],
      [ticket.grant(), ''],
      ['00000000-0000-4000-8000-000000000000', 'a'],
    ] as const) {
      const { status, headers } = await claim(url, id, device);
      expect([device, status, headers['x-ollana-error']]).toEqual([device, 503, 'OLLANA_BUSY']);
    }
    expect((await claim(url, ticket.grant(), 'a')).status).toBe(200);
    expect((await claim(url, ticket.grant(), 'a')).status).toBe(503);
    expect(askedOf(ollamaOf(cluster))).toEqual(['mine']);
  });

  it('goes to the next one at once when its ticket is closed, and a closed ticket gets none', async () => {
    await using cluster = await start(1);
    const url = serverUrl(cluster);
    using watched = await watchLoad(url);
    const first = await openGranted(url, 'a');
    const gone = openTicket(url, 'b');
    await watched.queued(1);
    const last = openTicket(url, 'c');
    await watched.queued(2);
    gone.close();
    await watched.queued(1);
    const closedAt = performance.now();
    first.close();
    await until(5000, 'the last grant', () => last.grant() !== undefined);
    expect((last.grantedAt() ?? 0) - closedAt).toBeLessThan(500);
    expect(gone.grant()).toBeUndefined();
    last.close();
    await watched.idle();
  });

  it('of two at once, one is used and the other goes back at once', async () => {
    await using cluster = await start(2);
    const urls = [serverUrl(cluster, 0), serverUrl(cluster, 1)];
    using one = await watchLoad(urls[0] ?? '');
    using two = await watchLoad(urls[1] ?? '');
    const taps = await Promise.all(urls.map((url) => startTap(url)));
    await using before = await startBefore(taps.map(({ url }) => url));
    await until(5000, 'the client to be told', () => taps.every((tap) => tap.told()));
    const held = await Promise.all(urls.map((url) => openGranted(url, 'x')));
    await until(5000, 'it to be told', () => [one, two].every((each) => each.row()?.active === 1));
    cluster.gate.close();
    const request = send(before, '/api/chat', chat('m', 'q'));
    // A ticket that is open elsewhere too is not told of: only the taps see both.
    const tickets = () => taps.flatMap(({ asked }) => asked).filter(({ url }) => url.endsWith('/tickets'));
    await until(5000, 'tickets at both', () => tickets().length === 2);
    for (const ticket of held) ticket.close();
    await until(5000, 'one of them to run it', () => cluster.ollamas.some((one) => askedOf(one).length > 0));
    const loser = cluster.ollamas.findIndex((ollama) => askedOf(ollama).length === 0);
    expect(cluster.ollamas.map((ollama) => askedOf(ollama).length).sort()).toEqual([0, 1]);
    const freedAt = performance.now();
    const next = await openGranted(urls[loser] ?? '', 'x');
    expect((next.grantedAt() ?? 0) - freedAt).toBeLessThan(500);
    next.close();
    cluster.gate.open();
    expect((await request.answer).status).toBe(200);
    await Promise.all([one.idle(), two.idle()]);
    for (const tap of taps) await tap[Symbol.asyncDispose]();
  });
});

describe('a seat that looked free and was found taken', () => {
  it('counts as taken until its server has told who has it', () => {
    const job = { model: 'm', device: 'd', promptTokens: 1, maxOutputTokens: 1, numCtx: undefined };
    const desk = new RemoteDesk({
      clock: systemClock,
      url: 'http://127.0.0.1:1',
      agent: new Agent(),
      device: 'd',
      load: () => serverLoad({ m: { ...UNLOADED, loaded: true } }),
    });
    desk.take(job)?.release();
    expect(desk.load()?.models.m?.active).toBe(1);
    desk.take(job)?.release({ counters: undefined, streamed: true, firstByteMs: 1, totalMs: 1 });
    expect(desk.load()?.models.m?.active).toBe(1);
  });
});

/** A chat that shows a grant, as `device`. */
function claim(url: string, grant: string | undefined, device: string) {
  const headers = { 'X-Ollana-Grant': grant ?? '', 'X-Ollana-Device': device };
  return within(send({ url }, '/api/chat', chat('m', 'mine'), { headers }).answer, 'an answer to a claim');
}

import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { readTicketAnswer } from '../src/server/ticket-answer.ts';
import { MAX_TICKET_BYTES, readTicket, TICKETS_PATH } from '../src/server/ticket-wire.ts';
import { startCluster } from './_cluster.ts';
import { until, within } from './_deadline.ts';
import { openTicket, watchLoad } from './_door.ts';
import { type Dice, fuzz, GUARD_MS, heapBytes, oddText, openSockets, shown } from './_fuzz.ts';
import { RawClient, RawClients } from './_fuzz-client.ts';

/** On a busy machine. */
vi.setConfig({ testTimeout: 120_000 });
/** So long whoever holds a ticket waits before it leaves. */
const WAIT_MS = 30;

const TICKET = { model: 'm', promptTokens: 10, maxOutputTokens: 100, numCtx: 4096 };

/** Every number that is reachable from a value is one that sums can be made of. */
function finite(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0;
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(finite);
}

test('8000 tickets that are none, and as many answers to one, are read without harm', async () => {
  await fuzz({
    name: 'ticket bodies',
    cases: 8000,
    run: (dice) => {
      const job = readTicket(oddText(TICKET, dice), 'x');
      if (
        job &&
        (job.model === '' ||
          job.model.length > 600 ||
          !finite([job.promptTokens, job.maxOutputTokens, job.numCtx]))
      )
        throw new Error(`a job ${JSON.stringify(job).slice(0, 300)}`);
    },
  });
  await fuzz({
    name: 'answers to tickets',
    cases: 8000,
    atOnce: 16,
    run: async (dice) => {
      const lines = [{ aheadMs: 12 }, { grant: '00000000-0000-0000-0000-000000000000' }].map((line) =>
        oddText(line, dice),
      );
      const body = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
      const pieces = dice.chance(0.5) ? [body] : [body.subarray(0, dice.below(body.length)), body];
      const response = Object.assign(Readable.from(pieces, { objectMode: false }), {
        statusCode: dice.one([200, 200, 503]),
        headers: {},
      });
      let [grants, refusals] = [0, 0];
      readTicketAnswer(response as unknown as IncomingMessage, {
        onQueued: (ms) => {
          if (!finite(ms)) throw new Error(`queued for ${ms}`);
        },
        onGrant: () => (grants += 1),
        onRefused: () => (refusals += 1),
        onFailed: () => (refusals += 1),
      });
      await within(GUARD_MS, 'the end', new Promise((resolve) => response.once('close', resolve)));
      if (grants > 1 || (grants === 0 && refusals === 0))
        throw new Error(`${grants} grants of ${shown(body)}`);
    },
  });
});

test('4000 hostile ticket requests at a server: each is answered or ended, and no seat is lost', async () => {
  await using cluster = await startCluster({
    serve: true,
    ollamas: [{ models: [{ name: 'm' }] }],
    loaded: ['m'],
    server: { parallel: 2 },
  });
  const url = cluster.servers[0]?.url ?? '';
  const { hostname: host, port } = new URL(url);
  using watched = await watchLoad(url);
  const clients = new RawClients(8, () => new RawClient(host, Number(port)));
  const one = async (dice: Dice, client: RawClient) => {
    const body = oddText(TICKET, dice);
    const device = dice.one(['x', 'y', '', 'z'.repeat(3000), '\xff', '__proto__']);
    const path = dice.chance(0.9) ? TICKETS_PATH : `${TICKETS_PATH}?${'x'.repeat(dice.below(100))}`;
    const asked = { path, body, headers: { 'X-Ollana-Device': device }, untilLine: true };
    // A ticket for a model that would have to be loaded waits; whatever is none is told so.
    const isTicket = readTicket(body, device) !== undefined && body.length <= MAX_TICKET_BYTES;
    const wait = client.ask({ ...asked, ...(isTicket && { waitMs: WAIT_MS }) });
    const got = await wait.catch((error: Error) => {
      if (isTicket) return { status: 200, text: '{"aheadMs":0}' };
      throw new Error(`${shown(body)}: ${error.message}`);
    });
    const right = isTicket ? [200, 503, 400] : body.length > MAX_TICKET_BYTES ? [413] : [400];
    if (!right.includes(got.status)) throw new Error(`${shown(body)} got ${got.status} ${shown(got.text)}`);
    if (got.status === 200 && !/"(grant|aheadMs)"/.test(got.text)) throw new Error(`got ${shown(got.text)}`);
    // Leaves with what it was given.
    if (got.status === 200) client.drop();
  };
  const run = (dice: Dice) => clients.use((client) => one(dice, client));
  await fuzz({ name: 'tickets, first', cases: 200, atOnce: 8, run });
  await watched.idle();
  const [heap, sockets] = [heapBytes(), openSockets()];
  await fuzz({
    name: 'ticket requests at a server',
    cases: 4000,
    atOnce: 8,
    run,
    afterLot: async () => {
      cluster.log.lines.length = 0;
      const ticket = openTicket(url, 'honest');
      await until(GUARD_MS, 'an honest ticket to be granted', () => ticket.grant() !== undefined);
      ticket.close();
    },
  });
  await watched.idle();
  clients.drop();
  await until(5000, 'connections to be gone', () => openSockets() <= sockets);
  expect(heapBytes() - heap).toBeLessThan(8_000_000);
});

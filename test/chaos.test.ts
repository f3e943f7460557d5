import { describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../src/clock.ts';
import { loadOf, startChaosFleet, unleash, untilAllReliable } from './_chaos-fleet.ts';
import { type Ended, request, type Shape, shapes } from './_chaos-load.ts';
import { schedule, scheduleText, seeded } from './_chaos-schedule.ts';
import type { ChaosServer, ChaosWorld } from './_chaos-server.ts';
import { until, within } from './_deadline.ts';

const SEED = Number(process.env.CHAOS_SEED ?? 1);
const CHAOS_MS = 100_000;
/** What ten minutes would have, in less. */
const INCIDENTS = 33;
const PER_SECOND = 15;
/** Long enough for every table of the client to have its rows and every code path its machine code, ms. */
const WARM_MS = 10_000;
/** A frozen server is given up after three probes of 5 s; a request may meet two of them. */
const LAST_ANSWER_MS = 90_000;
/** Idle connections to one server that a client keeps at most. */
const KEPT_CONNECTIONS = 32;
/** A leak of 4 kB a request would be as much. */
const MAX_GROWTH_BYTES = 6e6;

const STEADY = 'steady';

/** The steady one is the slowest, so that the others are preferred; alone it has the load of 60 % of its speed. */
const worldOf = (name: string): ChaosWorld => ({
  models: [
    { name: 'chaos', tokensPerSecond: name === STEADY ? 1600 : 3200, loadMs: 300 },
    { name: 'embedder', embedding: true },
  ],
  answer: Array.from({ length: 80 }, (_, i) => `word${i}`).join(' '),
});

/** Requests at random times, `PER_SECOND` on average, for `ms`; resolves with how all of them ended. */
async function load(
  url: string,
  ms: number,
  expected: ReadonlyMap<Shape, string | undefined>,
  dice: () => number,
): Promise<Ended[]> {
  const all = [...expected];
  const running: Promise<Ended>[] = [];
  const begun = performance.now();
  for (let at = 0; at < ms; at += (-1000 * Math.log(1 - dice())) / PER_SECOND) {
    await sleep(systemClock, begun + at - performance.now());
    const [shape, text] = all[Math.floor(dice() * all.length)]!;
    running.push(request(url, shape, text, begun));
  }
  return within(LAST_ANSWER_MS, 'the last answer', Promise.all(running));
}

/** Another laptop's requests, which keep the models in a server's memory as far as that can be. */
async function neighbour(server: ChaosServer, over: AbortSignal): Promise<void> {
  const ask = async (path: string, model: string) => {
    const body = JSON.stringify({
      model,
      prompt: 'Hi',
      input: 'Hi',
      stream: false,
      options: { num_predict: 1 },
    });
    const signal = AbortSignal.any([over, AbortSignal.timeout(2000)]);
    const answer = await fetch(server.url + path, { method: 'POST', body, signal });
    await answer.arrayBuffer();
  };
  while (!over.aborted) {
    await Promise.allSettled([ask('/api/generate', 'chaos'), ask('/api/embed', 'embedder')]);
    await sleep(systemClock, 300, over);
  }
}

/** One for each server, until disposal. */
function neighbours(servers: readonly ChaosServer[]): AsyncDisposable {
  const over = new AbortController();
  const running = servers.map((server) => neighbour(server, over.signal));
  return {
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await Promise.all(running);
    },
  };
}

const told = (list: readonly Ended[]) =>
  list.map(({ shape, ...rest }) => JSON.stringify({ path: shape.path, streamed: shape.streamed, ...rest }));

describe('a fleet in which everything fails but one server', { timeout: 300_000 }, () => {
  it('answers every request, ends every stream truthfully, and keeps nothing', async () => {
    const incidents = schedule(SEED, 3, INCIDENTS, CHAOS_MS);
    const context = () => `seed ${SEED}\n${scheduleText(incidents)}`;
    await using fleet = await startChaosFleet([STEADY, 'x', 'y', 'z'], worldOf);
    const { servers, daemon, holdings } = fleet;
    const [steady, ...troubled] = servers as [ChaosServer, ...ChaosServer[]];
    await untilAllReliable(daemon.url, servers.length, 10_000);
    const expected = new Map<Shape, string | undefined>();
    for (const shape of shapes('chaos', 'embedder')) {
      const { ending, text, detail } = await request(steady.url, shape, undefined, 0);
      expect(ending, detail).toBe('whole');
      expected.set(shape, shape.body && text);
    }
    const dice = seeded(SEED);
    await using others = neighbours(servers);
    const calm = await load(daemon.url, WARM_MS, expected, dice);
    expect(told(calm.filter(({ ending }) => ending !== 'whole'))).toEqual([]);
    const before = await holdings();

    const [ended] = await Promise.all([
      load(daemon.url, CHAOS_MS, expected, dice),
      unleash(troubled, incidents, (ms) => sleep(systemClock, ms)),
    ]);
    await others[Symbol.asyncDispose]();
    const having = (ending: Ended['ending']) => ended.filter((one) => one.ending === ending);
    expect(told(having('unserved')), context()).toEqual([]);
    expect(told(having('false-end')), context()).toEqual([]);
    // Or nothing of all this has happened.
    expect(having('cut').length, context()).toBeGreaterThan(0);
    expect(ended.filter(({ attempts }) => attempts > 1).length, context()).toBeGreaterThan(0);

    for (const server of servers) {
      await until(10_000, `${server.name} to be idle`, async () => {
        const now = await loadOf(server.url);
        return now !== undefined && now.active === 0 && now.queued === 0;
      });
    }
    const status = (await (await fetch(`${daemon.url}/ollana/api/status`)).json()) as {
      servers: { name: string; inFlight: number }[];
    };
    expect(status.servers.filter(({ inFlight }) => inFlight > 0)).toEqual([]);
    const after = await until(10_000, 'handles to be as few as before', async () => {
      const now = await holdings();
      return now.handles <= before.handles && now;
    });
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + KEPT_CONNECTIONS * servers.length);
    expect(after.heapBytes - before.heapBytes).toBeLessThan(MAX_GROWTH_BYTES);
  });
});

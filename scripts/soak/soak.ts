import { loadOf, unleash, untilAllReliable } from '../../test/_chaos-fleet.ts';
import { request, type Shape, shapes } from '../../test/_chaos-load.ts';
import { type Incident, schedule, seeded, type Trouble } from '../../test/_chaos-schedule.ts';
import type { ChaosServer } from '../../test/_chaos-server.ts';
import { until } from '../../test/_deadline.ts';
import type { SoakConfig } from './config.ts';
import { judge } from './flat.ts';
import { EMBEDDER, MODEL, type SoakFleet, startSoakFleet } from './fleet.ts';
import { Load } from './load.ts';
import type { SoakReport } from './report.ts';
import { requestsTold, untruths } from './tally.ts';
import { Watch } from './watch.ts';

/** Troubles are dealt out for so long at a time, ms, so many for each server. */
const ROUND_MS = 60_000;
const PER_SERVER = 8;
/** A sample collects garbage, which takes time of its own. */
const SAMPLE_MS = 5000;
/** After the last trouble, until every server is used and empty again, ms. */
const CALM_MS = 60_000;

/**
 * Asks a fleet in trouble for as long as it is told, and watches what its daemons hold. `over` ends it early, with what
 * was seen until then. Rejects when the fleet does not start, or a daemon that is watched has died.
 */
export async function runSoak(
  { lengthMs, requests, workers, seed }: SoakConfig,
  tell: (line: string) => void,
  over: AbortSignal,
): Promise<SoakReport> {
  await using fleet = await startSoakFleet();
  const expected = new Map<Shape, string | undefined>();
  for (const shape of shapes(MODEL, EMBEDDER)) {
    const { ending, text, detail } = await request(fleet.steady.url, shape, undefined, 0);
    if (ending !== 'whole') throw new Error(`${shape.path} does not work before any trouble: ${detail}`);
    expected.set(shape, shape.body && text);
  }
  const before = requestsTold(await metrics(fleet.url));
  const begun = performance.now();
  const passed = () => performance.now() - begun;
  const due = () => passed() < lengthMs && !over.aborted;
  // Once nothing more is asked the last requests end one by one, and what is held then says nothing.
  const draining = new AbortController();
  let minutes = 0;
  const load = new Load({
    url: fleet.url,
    expected,
    workers,
    dice: seeded(seed),
    more: (asked) => {
      if (asked < requests && due()) return true;
      minutes ||= passed() / 60_000;
      draining.abort();
      return false;
    },
    tell,
  });
  const ended = new AbortController();
  const watches = fleet.watched.map((one) => new Watch(one));
  const troubles: Record<string, number> = {};
  const background = [
    sampling(watches, passed, draining.signal, () => {
      const at = watches.map(({ name, samples }) => {
        const { heapMb = 0, rssMb = 0, descriptors = 0 } = samples.at(-1) ?? {};
        return `${name} ${heapMb.toFixed(1)} MB of ${rssMb.toFixed(0)}, ${descriptors} files`;
      });
      tell(`${(passed() / 1000).toFixed(0)} s: ${load.tally.asked} requests; ${at.join('; ')}`);
    }),
    ...fleet.groups.map((group, i) => troubling(group, seed + i, ended.signal, troubles)),
  ];
  // What fails beside the load ends it: without it there is nothing to judge.
  await Promise.race([load.run(), Promise.all(background)]);
  ended.abort();
  await Promise.all(background);
  const left = await leftBehind(fleet);
  const told = requestsTold(await metrics(fleet.url)) - before;
  return {
    minutes,
    tally: load.tally,
    told,
    troubles,
    processes: watches.map(({ name, samples }) => ({ name, rows: judge(samples) })),
    wrong: [...untruths(load.tally, told), ...left],
  };
}

async function sampling(
  watches: readonly Watch[],
  passed: () => number,
  over: AbortSignal,
  onLook: () => void,
): Promise<void> {
  while (!over.aborted) {
    await pause(SAMPLE_MS, over);
    if (over.aborted) return;
    for (const watch of watches) await watch.look(passed());
    onLook();
  }
}

/** Lets troubles befall these servers, round after round; the last of them is put right before it resolves. */
async function troubling(
  { servers, troubles }: { readonly servers: readonly ChaosServer[]; readonly troubles: readonly Trouble[] },
  seed: number,
  over: AbortSignal,
  counts: Record<string, number>,
): Promise<void> {
  for (let round = 0; !over.aborted; round += 1) {
    const incidents = schedule(
      seed + 1000 * round,
      servers.length,
      PER_SERVER * servers.length,
      ROUND_MS,
      troubles,
    );
    // One at a time, so that the soak ends soon after its load.
    for (const [i, incident] of incidents.entries()) {
      if (over.aborted) return;
      const gap = incident.atMs - (incidents[i - 1]?.atMs ?? 0);
      await pause(servers.length === 1 ? gap : Math.min(gap, ROUND_MS / incidents.length), over);
      if (over.aborted) return;
      const name = nameOf(incident);
      counts[name] = (counts[name] ?? 0) + 1;
      await unleash(servers, [{ ...incident, atMs: 0 }], (ms) => pause(ms, over));
    }
  }
}

const nameOf = ({ trouble }: Incident): string => {
  if (trouble.kind === 'fault') return trouble.fault.kind;
  return trouble.kind === 'drop-link' ? trouble.kind : `${trouble.kind} ${trouble.process}`;
};

/** What a fleet without requests still holds. */
async function leftBehind({ url, steady, groups }: SoakFleet): Promise<readonly string[]> {
  const servers = groups.flatMap((group) => group.servers);
  const wrong: string[] = [];
  const check = (what: string, done: Promise<unknown>) =>
    done.catch(() => wrong.push(`${what}, ${CALM_MS / 1000} s after the last trouble`));
  await check('not every server is used again', untilAllReliable(url, servers.length, CALM_MS));
  await check(
    `${steady.name} still has requests in its queues`,
    until(CALM_MS, 'empty queues', async () => {
      const now = await loadOf(steady.url);
      return now !== undefined && now.active === 0 && now.queued === 0;
    }),
  );
  await check(
    'the client still has requests under way',
    until(CALM_MS, 'nothing under way', async () => {
      const status = (await (await fetch(`${url}/ollana/api/status`)).json()) as {
        servers: { inFlight: number }[];
      };
      return status.servers.every(({ inFlight }) => inFlight === 0);
    }),
  );
  return wrong;
}

const metrics = async (url: string): Promise<string> => (await fetch(`${url}/metrics`)).text();

function pause(ms: number, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (over.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      over.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    over.addEventListener('abort', done, { once: true });
  });
}

import { createServer } from 'node:http';
import { type Clock, systemClock } from '../src/clock.ts';
import type { FleetEvent } from '../src/fleet/events.ts';
import { Fleet } from '../src/fleet/fleet.ts';
import type { FailureCause, VerdictEvent } from '../src/fleet/verdict-rules.ts';
import { PLAIN } from '../src/security/dial.ts';
import { PathAgent } from '../src/security/path-agent.ts';
import { type Listening, listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';

/** A clock that can be made to leap, as time does for a process that stood still or a machine that slept. */
export function leapingClock(): Clock & { skip(ms: number): void; sleep(ms: number): void } {
  let skipped = 0;
  let slept = 0;
  return {
    ...systemClock,
    now: () => systemClock.now() + skipped,
    wall: () => systemClock.wall() + skipped + slept,
    skip(ms) {
      skipped += ms;
    },
    sleep(ms) {
      slept += ms;
    },
  };
}

export interface TestFleet extends AsyncDisposable {
  readonly fleet: Fleet;
  /** Device ids of its servers. */
  readonly ids: readonly string[];
  /** See `leapingClock`. */
  skip(ms: number): void;
  sleep(ms: number): void;
  readonly events: readonly FleetEvent[];
  /** How often the servers were asked for their version so far. */
  looks(): number;
}

/** A fleet of `count` servers that pass for Ollamas, all found reliable. */
export async function fleetOf(count: number): Promise<TestFleet> {
  const clock = leapingClock();
  const agent = new PathAgent({}, PLAIN);
  const events: FleetEvent[] = [];
  const fleet = new Fleet({
    ownDeviceId: undefined,
    clock,
    agent,
    connectTimeoutMs: 1000,
    emit: (event) => void events.push(event),
  });
  const upstreams: Listening[] = [];
  const end = async () => {
    fleet[Symbol.dispose]();
    agent.destroy();
    for (const upstream of upstreams) await upstream[Symbol.asyncDispose]();
  };
  let looks = 0;
  for (let i = 0; i < count; i += 1) {
    const upstream = await listenOn(
      createServer((request, response) => {
        if (request.url === '/api/version') looks += 1;
        const known = /^\/api\/(version|tags|ps)$/.test(request.url ?? '');
        response.writeHead(known ? 200 : 404, { 'Content-Type': 'application/json' });
        response.end('{"version":"0.17.4","models":[]}');
      }),
    );
    upstreams.push(upstream);
    fleet.sight({ source: 'static', url: upstream.url, leaseMs: Number.POSITIVE_INFINITY });
  }
  try {
    await until(
      5000,
      'the servers to be known',
      () => fleet.servers().filter((one) => one.tags).length === count,
    );
  } catch (error) {
    await end();
    throw error;
  }
  const ids = fleet.servers().map(({ deviceId }) => deviceId);
  const { skip, sleep } = clock;
  return { fleet, ids, events, skip, sleep, looks: () => looks, [Symbol.asyncDispose]: end };
}

export const failed = (cause: FailureCause): VerdictEvent => ({
  type: 'attempt-failed',
  cause,
  reason: 'it did',
});

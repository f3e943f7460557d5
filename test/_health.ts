import type { MachineFacts } from '../src/fleet/machine-facts.ts';
import { EventStream, type ObservedEvent } from '../src/observe/event-stream.ts';
import { Health, type Sight } from '../src/observe/health/health.ts';
import type { HealthServer } from '../src/observe/health/snapshot.ts';
import { readPs, readTags } from '../src/ollama/lists.ts';
import { handClock } from './_hand-clock.ts';

/** A minute, in ms. */
export const MINUTE = 60_000;

const MACHINE: MachineFacts = {
  atMs: 0,
  ollana: '1',
  system: 'Linux 6.1 x64',
  cpu: { name: 'c', cores: 8, load: 0.1 },
  memory: { totalBytes: 64e9, freeBytes: 32e9 },
  disk: { totalBytes: 1000e9, freeBytes: 500e9 },
  gpus: [],
  link: null,
  parallel: { value: 4, source: 'process' },
  settings: {},
};

/** A server of the fleet that is well: it has and has loaded the model m, unless told otherwise. */
export function server(
  name: string,
  more: Partial<HealthServer> = {},
  tags: object[] = [{ name: 'm', size: 4e9 }],
): HealthServer {
  const rows = readTags({ models: tags });
  const ps = readPs({ models: [{ name: 'm', size: 4e9, size_vram: 4e9, context_length: 4096 }] });
  return {
    deviceId: `id-${name}`,
    name,
    url: `http://127.0.0.1:1${name.length}`,
    kind: 'ollana',
    sources: ['udp'],
    verdict: { state: 'reliable', sinceMs: 0 },
    version: '0.17.4',
    tags: rows,
    ps,
    modelKeys: new Set(rows.map(({ key }) => key)),
    loadedKeys: new Set(ps.map(({ key }) => key)),
    allowsManage: true,
    freeMemoryBytes: undefined,
    load: undefined,
    latencyMs: 1,
    inFlight: 0,
    isOwn: false,
    machine: MACHINE,
    ...more,
  };
}

/** The health of a fleet that a test describes, by a clock that it moves. */
export function ward(first: Partial<Sight> = {}) {
  const clock = handClock();
  const events: ObservedEvent[] = [];
  let sight: Sight = {
    mode: 'client',
    ownUrl: undefined,
    pairing: 'required',
    usesBroadcast: true,
    protectsContext: false,
    servers: [server('a')],
    unanswered: [],
    ...first,
  };
  const stream = new EventStream((error) => {
    throw error;
  });
  const health = new Health({ clock, see: () => sight, emit: stream.emit });
  stream.listen(health.note);
  stream.listen((event) => void events.push(event));
  const of = (check: string) => health.report().problems.filter((one) => one.check === check);
  return {
    clock,
    emit: stream.emit,
    events,
    health,
    is: (more: Partial<Sight>) => {
      sight = { ...sight, ...more };
    },
    of,
    /** What the check has found after `ms`. */
    after: (ms: number, check: string) => {
      clock.pass(ms);
      return of(check);
    },
    [Symbol.dispose]: () => health[Symbol.dispose](),
  };
}

/** What differs in a server of whose machine this is true. */
export const machine = (more: Partial<MachineFacts>): Partial<HealthServer> => ({
  machine: { ...MACHINE, ...more },
});

import { isReached } from '../../../fleet/verdict-rules.ts';
import { type Finding, shown, word } from '../finding.ts';
import { type Check, COUNT_TIMES, type HealthServer, type HealthSnapshot } from '../snapshot.ts';

/** A queue is too long when it holds so many for each slot, and takes so long. */
const QUEUE = { begins: 3, ends: 1, beginsMs: 20_000, endsMs: 5_000 };
/** Requests that waited 2 s or longer for a server, within a quarter of an hour. */
const WAITED = { begins: 10, ends: 5 };

/** More requests wait for a server, or for all, than it can run soon. */
export const queueSaturation: Check = {
  id: 'queue-saturation',
  appearMs: 15_000,
  clearMs: 30_000,
  find: (snapshot, held) => [
    ...full(snapshot),
    ...snapshot.servers.flatMap((server) => long(snapshot, server, held)),
  ],
};

function full({ quarter: { all } }: HealthSnapshot): Finding[] {
  if (all.queueFull === 0) return [];
  return [
    {
      subject: '',
      severity: 'critical',
      title: 'requests are turned away because all queues are full',
      seen: `${all.queueFull} of ${all.requests} within a quarter of an hour`,
      remedy: { command: 'ollana serve -d', on: 'another machine with a GPU' },
      resolvedWhen: 'none is for a quarter of an hour',
    },
  ];
}

function long(snapshot: HealthSnapshot, server: HealthServer, held: (subject: string) => boolean): Finding[] {
  const { deviceId, name, load, tags } = server;
  return Object.entries(load?.models ?? {}).flatMap(([key, { queued, slots, backlogMs }]): Finding[] => {
    const subject = `${deviceId}/${key}`;
    const [perSlot, ms] = held(subject) ? [QUEUE.ends, QUEUE.endsMs] : [QUEUE.begins, QUEUE.beginsMs];
    if (queued < perSlot * slots || backlogMs < ms) return [];
    const model = tags?.find((row) => row.key === key)?.name ?? key;
    const free = snapshot.servers.find(
      (one) => one.deviceId !== deviceId && isReached(one.verdict) && !one.modelKeys.has(key),
    );
    return [
      {
        subject,
        severity: 'warning',
        title: `requests for ${shown(model)} queue at ${shown(name)}`,
        seen: `${queued} wait for ${slots} at once, some ${Math.round(backlogMs / 1000)} s of work`,
        remedy: free
          ? { command: `ollana pull ${word(model)} --on ${word(free.name)}`, on: null }
          : { command: 'ollana serve -d', on: 'another machine with a GPU' },
        resolvedWhen: `no more than ${QUEUE.ends} for each slot wait`,
        server: name,
        deviceId,
        model,
      },
    ];
  });
}

/** Requests wait while a server that could help has nothing to do, because it does not have their model. */
export const underused: Check = {
  id: 'server-underused',
  ...COUNT_TIMES,
  find: ({ servers, quarter }, held) => {
    const [waitedFor] = [...quarter.models].sort(([, a], [, b]) => b.waited - a.waited);
    if (!waitedFor) return [];
    const [key, { name: model, waited, requests }] = waitedFor;
    const holder = servers.find(({ modelKeys, verdict }) => isReached(verdict) && modelKeys.has(key));
    if (!holder) return [];
    const size = Number(holder.tags?.find((row) => row.key === key)?.raw.size ?? 0);
    return servers.flatMap((server): Finding[] => {
      const { deviceId, name, verdict, kind, modelKeys, inFlight, freeMemoryBytes, allowsManage } = server;
      if (waited < (held(deviceId) ? WAITED.ends : WAITED.begins)) return [];
      const isIdle = inFlight === 0 && (quarter.servers.get(deviceId)?.attempts ?? 0) === 0;
      const fits = freeMemoryBytes === undefined || freeMemoryBytes >= size;
      if (verdict.state !== 'reliable' || kind === 'local' || modelKeys.has(key) || !isIdle || !fits)
        return [];
      return [
        {
          subject: deviceId,
          severity: 'info',
          title: `${shown(name)} has nothing to do while others wait for ${shown(model)}`,
          seen: `${waited} of ${requests} requests for it waited 2 s or longer within a quarter of an hour; ${shown(name)} got none`,
          remedy: allowsManage
            ? { command: `ollana pull ${word(model)} --on ${word(name)}`, on: null }
            : { command: `ollama pull ${word(model)}`, on: shown(name) },
          resolvedWhen: 'it has that model, or fewer have to wait',
          server: name,
          deviceId,
          model,
        },
      ];
    });
  },
};

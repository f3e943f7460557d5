import { isReached } from '../../../fleet/verdict-rules.ts';
import { isCloudModel } from '../../../ollama/names.ts';
import { type Finding, percent, shown, word } from '../finding.ts';
import type { ModelCounts } from '../request-figures.ts';
import { type Check, COUNT_TIMES, type HealthServer, type HealthSnapshot, SLOW_TIMES } from '../snapshot.ts';

const WINDOW_MS = 15 * 60_000;
/** Loads of models that had been loaded before, within a quarter of an hour: less is an ordinary day. */
const THRASHING = { begins: 4, ends: 2, critical: 20 };
/** Requests that got nothing for half a minute: one may have been impatient. */
const TIMEOUTS = { begins: 2, ends: 1 };
/** A model is a favourite with so many requests an hour, and such a part of all. */
const FAVOURITE = { uses: 10, part: 0.1, most: 5 };

/** Models push each other out of a server's memory again and again. */
export const thrashing: Check = {
  id: 'model-thrashing',
  ...COUNT_TIMES,
  find: ({ servers, past, nowMs }, held) =>
    servers.flatMap((server): Finding[] => {
      const { deviceId, name } = server;
      const loads = past.get(deviceId)?.loads ?? [];
      const recent = loads.filter(({ atMs }) => nowMs - atMs <= WINDOW_MS);
      const counts = new Map<string, number>();
      for (const { model } of recent) counts.set(model, (counts.get(model) ?? 0) + 1);
      const again = recent.length - counts.size;
      if (again < (held(deviceId) ? THRASHING.ends : THRASHING.begins)) return [];
      const [[busiest = '', times = 0] = []] = [...counts].sort(([, a], [, b]) => b - a);
      const model = nameOf(server, busiest);
      const other = servers.find((one) => one.deviceId !== deviceId && isReached(one.verdict));
      return [
        {
          subject: deviceId,
          severity: again >= THRASHING.critical ? 'critical' : 'warning',
          title: `models push each other out of the memory of ${shown(name)}`,
          seen: `${recent.length} loads of ${counts.size} models within a quarter of an hour, ${times} of them of ${shown(model)}`,
          remedy: other
            ? { command: `ollana pull ${word(model)} --on ${word(other.name)}`, on: null }
            : { command: `ollana unload ${word(model)} --on ${word(name)}`, on: null },
          resolvedWhen: `models are loaded again less than ${THRASHING.ends} times within a quarter of an hour`,
          server: name,
          deviceId,
          model,
        },
      ];
    }),
};

/** Requests end before the model that they need is loaded, or before it has read their prompt. */
export const loadTimeouts: Check = {
  id: 'load-timeouts',
  ...COUNT_TIMES,
  find: ({ quarter }, held) =>
    [...quarter.models].flatMap(([key, { name, requests, unanswered }]): Finding[] => {
      if (unanswered < (held(key) ? TIMEOUTS.ends : TIMEOUTS.begins)) return [];
      return [
        {
          subject: key,
          severity: 'warning',
          title: `requests for ${shown(name)} end before an answer begins`,
          seen: `${unanswered} of ${requests} within a quarter of an hour got no byte for 30 s or more, then were given up`,
          remedy: { command: keepLoaded(name), on: null },
          resolvedWhen: 'none has for a quarter of an hour',
          model: name,
        },
      ];
    }),
};

/** A model that is asked for often is on no server that answers. */
export const favouriteMissing: Check = {
  id: 'favourite-missing',
  ...COUNT_TIMES,
  find: (snapshot) =>
    favourites(snapshot)
      .filter(([key]) => !holders(snapshot, key).length && !isCloudModel(key))
      .map(([key, { name, uses }]) => ({
        subject: key,
        severity: 'warning',
        title: `${shown(name)} is asked for, and no server has it`,
        seen: `${uses} requests within the last hour`,
        remedy: { command: `ollana pull ${word(name)}`, on: null },
        resolvedWhen: 'a server that answers has it, or it is asked for no more',
        model: name,
      })),
};

/** A model that is asked for often is in no server's memory. */
export const favouriteCold: Check = {
  id: 'favourite-cold',
  ...SLOW_TIMES,
  find: (snapshot) =>
    favourites(snapshot).flatMap(([key, { name, uses }]): Finding[] => {
      const having = holders(snapshot, key);
      if (having.length === 0 || having.some(({ loadedKeys }) => loadedKeys.has(key))) return [];
      return [
        {
          subject: key,
          severity: 'info',
          title: `${shown(name)} is used often and loaded nowhere`,
          seen: `${uses} requests within the last hour, ${percent(uses / snapshot.hour.all.uses)} of all; the next one waits for a load`,
          remedy: { command: keepLoaded(name), on: null },
          resolvedWhen: 'a server has it in memory',
          model: name,
        },
      ];
    }),
};

/** The models asked for most in the last hour, with what was counted of them. */
function favourites({ hour }: HealthSnapshot): readonly (readonly [string, ModelCounts])[] {
  return [...hour.models]
    .filter(([, { uses }]) => uses >= Math.max(FAVOURITE.uses, FAVOURITE.part * hour.all.uses))
    .sort(([, a], [, b]) => b.uses - a.uses)
    .slice(0, FAVOURITE.most);
}

function holders({ servers }: HealthSnapshot, key: string): readonly HealthServer[] {
  return servers.filter(({ verdict, modelKeys }) => isReached(verdict) && modelKeys.has(key));
}

function nameOf({ tags, ps }: HealthServer, key: string): string {
  return [...(tags ?? []), ...(ps ?? [])].find((row) => row.key === key)?.name ?? key;
}

/** Loads a model and has it stay; typed by a person, never sent by ollana. */
function keepLoaded(name: string): string {
  const body = JSON.stringify({ model: name.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ''), keep_alive: -1 });
  return `curl http://localhost:11435/api/generate -d ${word(body)}`;
}

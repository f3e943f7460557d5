import { type Finding, percent, shown } from '../finding.ts';
import { type Check, COUNT_TIMES } from '../snapshot.ts';

/** Fewer requests make no rate. */
const ENOUGH = 10;
const ERRORS = { begins: 0.1, ends: 0.05, critical: 0.5, least: 3 };
const RETRIES = { begins: 0.1, ends: 0.05, least: 3 };
const LEAVING = { begins: 0.3, ends: 0.2, least: 5 };
const BROKEN = { begins: 2, ends: 1 };

interface Limits {
  readonly begins: number;
  readonly ends: number;
  readonly least: number;
}

/** Whether `count` of `all` are too many. */
function isHigh(count: number, all: number, { begins, ends, least }: Limits, isHeld: boolean): boolean {
  if (isHeld) return count > 0 && count / all >= ends;
  return all >= ENOUGH && count >= least && count / all >= begins;
}

/** Requests fail, or one server fails those it gets. */
export const errorRate: Check = {
  id: 'error-rate',
  ...COUNT_TIMES,
  find: ({ quarter }, held) => {
    const { failed, requests } = quarter.all;
    const one = (subject: string, count: number, all: number, who: string, more: object): Finding[] =>
      isHigh(count, all, ERRORS, held(subject))
        ? [
            {
              subject,
              severity: count / all >= ERRORS.critical ? 'critical' : 'warning',
              title: `${who} fail`,
              seen: `${count} of ${all} within a quarter of an hour (${percent(count / all)})`,
              remedy: { command: 'ollana status', on: null },
              resolvedWhen: `fewer than ${percent(ERRORS.ends)} do`,
              ...more,
            },
          ]
        : [];
    const each = [...quarter.servers].flatMap(([deviceId, { name, ...counts }]) => {
      const more = {
        deviceId,
        server: name,
        remedy: { command: 'journalctl -u ollama -n 100', on: shown(name) },
      };
      return one(deviceId, counts.failed, counts.attempts, `requests at ${shown(name)}`, more);
    });
    return [...one('', failed, requests, 'requests', {}), ...each];
  },
};

/** Requests need more than one server. */
export const retryRate: Check = {
  id: 'retry-rate',
  ...COUNT_TIMES,
  find: ({ quarter }, held) => {
    const { retried, requests } = quarter.all;
    if (!isHigh(retried, requests, RETRIES, held(''))) return [];
    const [worst] = [...quarter.servers].sort(([, a], [, b]) => b.failed - a.failed);
    const counts = worst?.[1];
    const at = counts && counts.failed > 0 ? `; ${shown(counts.name)} failed ${counts.failed} times` : '';
    return [
      {
        subject: '',
        severity: 'warning',
        title: 'many requests have to be sent again',
        seen: `${retried} of ${requests} within a quarter of an hour (${percent(retried / requests)})${at}`,
        remedy: { command: 'ollana status', on: null },
        resolvedWhen: `fewer than ${percent(RETRIES.ends)} have to`,
        ...(at !== '' && counts && { server: counts.name }),
      },
    ];
  },
};

/** Clients leave before their answer is whole. */
export const disconnects: Check = {
  id: 'client-disconnects',
  ...COUNT_TIMES,
  find: ({ quarter }, held) => {
    const { left, requests } = quarter.all;
    if (!isHigh(left, requests, LEAVING, held(''))) return [];
    return [
      {
        subject: '',
        severity: 'info',
        title: 'many clients leave before their answer is whole',
        seen: `${left} of ${requests} requests within a quarter of an hour (${percent(left / requests)}): a time-out of the app, or people who stop answers`,
        remedy: { command: 'ollana status', on: null },
        resolvedWhen: `fewer than ${percent(LEAVING.ends)} do`,
      },
    ];
  },
};

/** Servers begin answers and do not end them. */
export const incompleteStreams: Check = {
  id: 'incomplete-streams',
  ...COUNT_TIMES,
  find: ({ quarter }, held) =>
    [...quarter.servers].flatMap(([deviceId, { name, broken, attempts }]): Finding[] => {
      if (broken < (held(deviceId) ? BROKEN.ends : BROKEN.begins)) return [];
      return [
        {
          subject: deviceId,
          severity: 'warning',
          title: `${shown(name)} breaks answers off`,
          seen: `${broken} of ${attempts} within a quarter of an hour broke off or ended without their last message`,
          remedy: { command: 'journalctl -u ollama -n 100', on: shown(name) },
          resolvedWhen: 'none has for a quarter of an hour',
          server: name,
          deviceId,
        },
      ];
    }),
};

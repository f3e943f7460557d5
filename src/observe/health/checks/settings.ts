import { type Finding, shown } from '../finding.ts';
import { type Check, FACT_TIMES } from '../snapshot.ts';
import { settingCommand } from './setting.ts';

/** A bare number up to this is rather meant as minutes: models that stay for less than a minute are always cold. */
const MOST_SECONDS = 60;

/** Ollama came back without the number of requests it was set to run at once. */
export const parallelLost: Check = {
  id: 'parallel-lost',
  ...FACT_TIMES,
  find: ({ servers, past }) =>
    servers.flatMap(({ deviceId, name, machine }): Finding[] => {
      const now = machine?.parallel;
      const most = past.get(deviceId)?.mostParallel;
      if (!now || most === undefined || now.value >= most || now.source === 'unknown') return [];
      return [
        {
          subject: deviceId,
          severity: 'warning',
          title: `the Ollama of ${shown(name)} has lost its OLLAMA_NUM_PARALLEL`,
          seen: `it runs ${now.value} at once (${shown(now.source)}), and ran ${most} before it was started anew`,
          remedy: { command: settingCommand(machine, 'OLLAMA_NUM_PARALLEL', String(most)), on: shown(name) },
          resolvedWhen: `it runs ${most} at once again`,
          server: name,
          deviceId,
        },
      ];
    }),
};

/** A number without a unit, which Ollama takes for seconds. */
export const keepAliveSeconds: Check = {
  id: 'keep-alive-seconds',
  ...FACT_TIMES,
  find: ({ servers }) =>
    servers.flatMap(({ deviceId, name, machine }): Finding[] => {
      const written = machine?.settings?.OLLAMA_KEEP_ALIVE ?? '';
      const seconds = /^\s*["']?(\d{1,6})["']?\s*$/.exec(written)?.[1];
      if (seconds === undefined || Number(seconds) === 0 || Number(seconds) > MOST_SECONDS) return [];
      return [
        {
          subject: deviceId,
          severity: 'warning',
          title: `${shown(name)} unloads models after ${Number(seconds)} seconds`,
          seen: `OLLAMA_KEEP_ALIVE=${shown(written)} has no unit, and Ollama takes it for seconds`,
          remedy: {
            command: settingCommand(machine, 'OLLAMA_KEEP_ALIVE', `${Number(seconds)}m`),
            on: shown(name),
          },
          resolvedWhen: 'it has a unit, or is more than a minute',
          server: name,
          deviceId,
        },
      ];
    }),
};

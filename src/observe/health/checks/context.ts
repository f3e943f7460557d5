import { isReached } from '../../../fleet/verdict-rules.ts';
import { type Finding, shown } from '../finding.ts';
import { type Check, COUNT_TIMES, SLOW_TIMES } from '../snapshot.ts';
import { settingCommand } from './setting.ts';

const WINDOW_MS = 15 * 60_000;
/** A context below this is no waste worth a word, tokens: Ollama's own default on small cards. */
const LARGE_CONTEXT = 16_384;
const LEAST_CONTEXT = 4096;
/** The part of a context that is ever used, below which the rest is wasted; and after how many requests that is known. */
const USED = { begins: 0.25, ends: 0.35, requests: 20 };
/** Loads for another context within a quarter of an hour. */
const RELOADS = { begins: 2, ends: 1 };

/** Models have room for many more tokens than any request uses, and that room is memory. */
export const contextWaste: Check = {
  id: 'context-waste',
  ...SLOW_TIMES,
  find: ({ servers, hour }, held) =>
    servers
      .filter(({ verdict }) => isReached(verdict))
      .flatMap(({ deviceId, name, ps, machine }) =>
        (ps ?? []).flatMap(({ key, name: model, raw: { context_length: context } }): Finding[] => {
          const counts = hour.models.get(key);
          if (typeof context !== 'number' || context < LARGE_CONTEXT || !counts) return [];
          const subject = `${deviceId}/${key}`;
          const used = counts.mostTokens / context;
          if (counts.measured < USED.requests || used >= (held(subject) ? USED.ends : USED.begins)) return [];
          const enough = enoughFor(counts.mostTokens);
          return [
            {
              subject,
              severity: 'info',
              title: `${shown(model)} on ${shown(name)} is loaded for many more tokens than are used`,
              seen: `room for ${context} tokens; the longest of ${counts.measured} requests within the last hour took ${counts.mostTokens}`,
              remedy: {
                command: settingCommand(machine, 'OLLAMA_CONTEXT_LENGTH', String(enough)),
                on: shown(name),
              },
              resolvedWhen: `it is loaded for ${enough} tokens, or requests use more of them`,
              server: name,
              deviceId,
              model,
            },
          ];
        }),
      ),
};

/** The next power of two that leaves twice what was needed. */
function enoughFor(tokens: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(LEAST_CONTEXT, 2 * tokens)));
}

/** A model is loaded anew again and again because requests ask for different contexts. */
export const contextProtection: Check = {
  id: 'context-protection',
  ...COUNT_TIMES,
  find: ({ servers, past, nowMs, protectsContext, mode }, held) =>
    servers.flatMap(({ deviceId, name, machine, tags }) => {
      const changes = past.get(deviceId)?.contextChanges ?? [];
      const recent = changes.filter(({ atMs }) => nowMs - atMs <= WINDOW_MS);
      return [...new Set(recent.map(({ model }) => model))].flatMap((key): Finding[] => {
        const subject = `${deviceId}/${key}`;
        const own = recent.filter((one) => one.model === key);
        const last = own.at(-1);
        if (!last || own.length < (held(subject) ? RELOADS.ends : RELOADS.begins)) return [];
        const model = tags?.find((row) => row.key === key)?.name ?? key;
        const most = Math.max(...own.flatMap(({ from, to }) => [from, to]));
        return [
          {
            subject,
            severity: 'warning',
            title: `${shown(model)} on ${shown(name)} is loaded anew for other contexts`,
            seen: `${own.length} times within a quarter of an hour, last from ${last.from} to ${last.to} tokens: requests differ in num_ctx`,
            remedy:
              protectsContext || mode === 'server'
                ? {
                    command: settingCommand(machine, 'OLLAMA_CONTEXT_LENGTH', String(most)),
                    on: shown(name),
                  }
                : { command: 'ollana --protect-context', on: null },
            resolvedWhen: 'it has been loaded for one context only for a quarter of an hour',
            server: name,
            deviceId,
            model,
          },
        ];
      });
    }),
};

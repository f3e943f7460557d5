import { isReached } from '../../../fleet/verdict-rules.ts';
import { type Finding, shown, word } from '../finding.ts';
import { type Check, type HealthServer, SLOW_TIMES } from '../snapshot.ts';

/** How many times its best a token takes, at which a server is slow, and below which it is well again. */
const SLOWER = { begins: 1.5, ends: 1.25 };
/** Cards take their clock back from about here, °C. */
const HOT_C = 85;

/** A server writes slower than it did itself: heat, another program, a driver, a model that does not fit any more. */
export const slowerThanPast: Check = {
  id: 'server-slower',
  ...SLOW_TIMES,
  find: ({ servers, past }, held) =>
    servers
      .filter(({ verdict }) => isReached(verdict))
      .flatMap((server) =>
        [...(past.get(server.deviceId)?.paces ?? [])].flatMap(([key, { now, best }]): Finding[] => {
          const { deviceId, name } = server;
          const subject = `${deviceId}/${key}`;
          if (now < best * (held(subject) ? SLOWER.ends : SLOWER.begins)) return [];
          const model = server.tags?.find((row) => row.key === key)?.name ?? key;
          return [
            {
              subject,
              severity: 'warning',
              title: `${shown(name)} is slower with ${shown(model)} than it was`,
              seen: `${rate(now)} tokens/s, at its best ${rate(best)}${reason(server)}`,
              remedy: isNvidia(server)
                ? { command: 'nvidia-smi', on: shown(name) }
                : { command: `ollana unload ${word(model)} --on ${word(name)}`, on: null },
              resolvedWhen: `it writes at least ${rate(best * SLOWER.ends)} tokens/s`,
              server: name,
              deviceId,
              model,
            },
          ];
        }),
      ),
};

function reason({ machine }: HealthServer): string {
  const hot = machine?.gpus.find(({ temperatureC }) => (temperatureC ?? 0) >= HOT_C);
  return hot ? `; its GPU has ${hot.temperatureC} °C` : '';
}

function isNvidia({ machine }: HealthServer): boolean {
  return machine?.gpus.some(({ name }) => /nvidia|geforce|rtx|tesla/i.test(name ?? '')) === true;
}

function rate(msPerToken: number): string {
  const perSecond = 1000 / msPerToken;
  return perSecond.toFixed(perSecond < 10 ? 1 : 0);
}

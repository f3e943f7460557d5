import { addressOf, isLoopbackHost } from '../../../config/host.ts';
import { isReached } from '../../../fleet/verdict-rules.ts';
import { type Finding, shown, word } from '../finding.ts';
import { type Check, FACT_TIMES, type HealthSnapshot } from '../snapshot.ts';

/** An address where nobody is used, or a server that does not answer any more. */
export interface Silent {
  readonly subject: string;
  readonly name: string;
  readonly url: string;
  readonly reason: string;
  /** It has answered before. */
  readonly isKnown: boolean;
  readonly isOwn: boolean;
}

/** All that are silent, but for those that are not paired and the Ollama that a laptop need not have. Pure. */
function silentOnes({ servers, unanswered, ownUrl }: HealthSnapshot): readonly Silent[] {
  const gone = servers.flatMap((server): Silent[] => {
    const { verdict, deviceId, name, url } = server;
    if (isReached(verdict) || verdict.state === 'reliable' || server.kind === 'local') return [];
    const isOwn = url === ownUrl;
    return [{ subject: deviceId, name, url, reason: verdict.reason, isKnown: true, isOwn }];
  });
  const never = unanswered
    .filter(({ notPaired, sources }) => !notPaired && !sources.includes('local'))
    .map(({ url, name = addressOf(url).shown, reason }): Silent => {
      return { subject: url, name, url, reason, isKnown: false, isOwn: url === ownUrl };
    });
  return [...gone, ...never];
}

/** Whether somebody answers at the address who is no server. Pure. */
function isStranger({ reason }: Silent): boolean {
  return /is not an Ollama|is another proxy|in client mode/.test(reason);
}

/** Whether a machine is there, by its refusal, whose Ollama listens for itself alone, as Ollama does by default. Pure. */
function isShut({ url, reason }: Silent): boolean {
  const { hostname, port } = addressOf(url);
  return port === '11434' && /ECONNREFUSED/.test(reason) && !isLoopbackHost(hostname);
}

/** A server that was there, or was named, and does not answer. */
export const serverOffline: Check = {
  id: 'server-offline',
  ...FACT_TIMES,
  find: (snapshot) =>
    silentOnes(snapshot)
      .filter((one) => !isStranger(one) && !isShut(one))
      .map(
        (one): Finding => ({
          subject: one.subject,
          severity: one.isOwn ? 'critical' : 'warning',
          title: one.isOwn ? "this machine's Ollama does not answer" : `${shown(one.name)} is offline`,
          seen: `${one.url}: ${one.reason}`,
          remedy: one.isOwn
            ? { command: 'ollama serve', on: null }
            : { command: 'ollana serve -d', on: shown(one.name) },
          resolvedWhen: 'it answers, or nothing claims it any more',
          server: one.name,
          ...(one.isKnown && { deviceId: one.subject }),
        }),
      ),
};

/** A server that answers and fails at its work. */
export const serverDegraded: Check = {
  id: 'server-degraded',
  ...FACT_TIMES,
  find: ({ servers, wallMs }) =>
    servers.flatMap((server): Finding[] => {
      const { verdict, name, deviceId, resting } = server;
      if (verdict.state === 'reliable' || !isReached(verdict)) return [];
      const seconds = Math.max(0, Math.round((wallMs - verdict.sinceMs) / 1000));
      return [
        {
          subject: deviceId,
          severity: 'warning',
          title: `${shown(name)} is used only when nothing else is left`,
          seen: `${verdict.reason}, for ${seconds} s${resting ? '; it rests after failing again and again' : ''}`,
          remedy: { command: 'journalctl -u ollama -n 100', on: shown(name) },
          resolvedWhen: 'a request is completed there',
          server: name,
          deviceId,
        },
      ];
    }),
};

/** There is no server at all that could take a request. */
export const noServer: Check = {
  id: 'no-server',
  ...FACT_TIMES,
  find: ({ servers }) =>
    servers.some(({ verdict }) => isReached(verdict))
      ? []
      : [
          {
            subject: '',
            severity: 'critical',
            title: 'no server answers',
            seen: `${servers.length} known, none of them reachable`,
            remedy: { command: 'ollana discover --explain', on: null },
            resolvedWhen: 'one server answers',
          },
        ],
};

/** A machine is there, and its Ollama listens on loopback only. */
export const loopbackOnly: Check = {
  id: 'ollama-loopback-only',
  ...FACT_TIMES,
  find: (snapshot) =>
    silentOnes(snapshot)
      .filter(isShut)
      .map((one) => ({
        subject: one.subject,
        severity: 'warning',
        title: `the Ollama of ${shown(one.name)} seems to listen on loopback only`,
        seen: `${one.url} refuses connections, and port 11434 is Ollama's`,
        remedy: { command: 'ollana serve -d', on: shown(one.name) },
        resolvedWhen: 'an ollana or an Ollama answers there',
        server: one.name,
      })),
};

/** Something else has the port that was to be a server's. */
export const portClash: Check = {
  id: 'port-clash',
  ...FACT_TIMES,
  find: (snapshot) =>
    silentOnes(snapshot)
      .filter(isStranger)
      .map((one) => ({
        subject: one.subject,
        severity: 'warning',
        title: `at the address of ${shown(one.name)} answers another program`,
        seen: one.reason,
        remedy: { command: `ollana serve -d --port 11445 --name ${word(one.name)}`, on: shown(one.name) },
        resolvedWhen: 'a server answers there, or nothing claims the address any more',
        server: one.name,
      })),
};

import { addressOf, isLoopbackHost } from '../../../config/host.ts';
import { isReached } from '../../../fleet/verdict-rules.ts';
import { type Finding, shown, word } from '../finding.ts';
import { type Check, FACT_TIMES, type HealthServer, SLOW_TIMES } from '../snapshot.ts';

/** Clocks that differ by less are no trouble, ms, and what a server told of its own may be 10 s old. */
const CLOCK = { begins: 120_000, ends: 60_000 };
/** Of more servers the first are named. */
const MOST_NAMED = 5;

/** This machine's clock, or a server's, is wrong. */
export const clockWrong: Check = {
  id: 'clock-wrong',
  ...FACT_TIMES,
  find: ({ servers }, held) => {
    const told = servers.flatMap((server) =>
      server.clockAheadMs === undefined ? [] : [{ server, ms: server.clockAheadMs }],
    );
    const limit = (subject: string) => (held(subject) ? CLOCK.ends : CLOCK.begins);
    const [ahead, behind] = [
      told.filter(({ ms }) => ms > limit('')),
      told.filter(({ ms }) => ms < -limit('')),
    ];
    const many = ahead.length >= behind.length ? ahead : behind;
    // Where most agree with each other and not with us, it is ours that is wrong.
    if (told.length >= 2 && many.length * 2 > told.length) {
      const [{ ms = 0 } = {}] = [...many].sort((a, b) => Math.abs(a.ms) - Math.abs(b.ms));
      return [
        {
          subject: '',
          severity: 'warning',
          title: "this machine's clock is wrong",
          seen: `${many.length} of ${told.length} servers are ${apart(ms)} it`,
          remedy: { command: SET_CLOCK, on: null },
          resolvedWhen: 'it is within a minute of theirs',
        },
      ];
    }
    return told
      .filter(({ server: { deviceId }, ms }) => Math.abs(ms) > limit(deviceId))
      .map(
        ({ server: { deviceId, name }, ms }): Finding => ({
          subject: deviceId,
          severity: 'warning',
          title: `the clock of ${shown(name)}, or of this machine, is wrong`,
          seen: `${shown(name)} is ${apart(ms)} this machine`,
          remedy: { command: SET_CLOCK, on: shown(name) },
          resolvedWhen: 'they are within a minute of each other',
          server: name,
          deviceId,
        }),
      );
  },
};

const SET_CLOCK = 'sudo timedatectl set-ntp true';

function apart(ms: number): string {
  const minutes = Math.round(Math.abs(ms) / 60_000);
  return `${minutes} min ${ms > 0 ? 'ahead of' : 'behind'}`;
}

/** Broadcasts do not get through, so that servers are found late or not at all. */
export const broadcastBlocked: Check = {
  id: 'broadcast-blocked',
  ...SLOW_TIMES,
  find: ({ servers, network, usesBroadcast }) => {
    if (!usesBroadcast) return [];
    const remedy = { command: 'ollana discover --explain', on: null };
    const resolvedWhen = 'a server is heard by broadcast';
    if (network.noLink)
      return [
        {
          subject: '',
          severity: 'warning',
          title: 'there is no network to find servers on',
          seen: 'no interface is up that broadcasts',
          remedy,
          resolvedWhen: 'an interface is up',
        },
      ];
    if (servers.some(({ sources }) => sources.includes('udp'))) return [];
    const near = servers.filter(({ sources, kind }) => kind === 'ollana' && sources.includes('mdns'));
    const [trouble] = network.troubles;
    if (near.length === 0 && !trouble) return [];
    return [
      {
        subject: '',
        severity: trouble ? 'warning' : 'info',
        title: 'broadcasts to find servers do not get through',
        seen: trouble
          ? `cannot ${trouble.what} on ${shown(trouble.where)}: ${shown(trouble.reason)}`
          : `${names(near)} found by mDNS on this network, and never heard by broadcast`,
        remedy,
        resolvedWhen,
      },
    ];
  },
};

/** Requests go to machines that nobody has proved to be who they say. */
export const unpaired: Check = {
  id: 'server-unpaired',
  ...FACT_TIMES,
  find: ({ servers, unanswered, pairing }) => {
    if (pairing === 'required')
      return unanswered
        .filter(({ notPaired }) => notPaired)
        .map(
          ({ url, name, reason }): Finding => ({
            subject: url,
            severity: 'info',
            title: `${shown(name ?? addressOf(url).shown)} is not paired, and not used`,
            seen: reason,
            remedy: { command: `ollana device pair ${word(name ?? url)}`, on: null },
            resolvedWhen: 'it is paired, or gone',
            server: name ?? addressOf(url).shown,
          }),
        );
    const used = servers.filter(
      ({ verdict, url }) =>
        isReached(verdict) && !url.startsWith('https:') && !isLoopbackHost(addressOf(url).hostname),
    );
    const first = used.find(({ kind }) => kind === 'ollana');
    if (!first) return [];
    return [
      {
        subject: '',
        severity: 'info',
        title: 'servers are used that are not paired',
        seen: `${names(used)}: anybody on the network could take their place and read prompts`,
        remedy: { command: `ollana device pair ${word(first.name)}`, on: null },
        resolvedWhen: 'the first device is paired: from then on only paired ones are used',
      },
    ];
  },
};

function names(servers: readonly HealthServer[]): string {
  const some = servers.slice(0, MOST_NAMED).map(({ name }) => shown(name));
  const more = servers.length > MOST_NAMED ? ` and ${servers.length - MOST_NAMED} more` : '';
  return `${some.join(', ')}${more} ${servers.length === 1 ? 'is' : 'are'}`;
}

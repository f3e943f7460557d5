import type { Fleet } from './fleet.ts';

/** A fleet as those see it who choose in it: all of it, or a part. */
export type FleetView = Pick<
  Fleet,
  'servers' | 'server' | 'unanswered' | 'onChange' | 'judge' | 'attend' | 'relist' | 'refresh'
>;

/** The part of a fleet that is at one address; what happens to the other servers is not told of. */
export function onlyAt(fleet: Fleet, url: string): FleetView {
  const servers = () => fleet.servers().filter((server) => server.url === url);
  return {
    servers,
    server: (deviceId) => {
      const facts = fleet.server(deviceId);
      return facts?.url === url ? facts : undefined;
    },
    unanswered: () => fleet.unanswered().filter((address) => address.url === url),
    onChange: (listener) => {
      // Facts stay the same object until something changes.
      let [before] = servers();
      return fleet.onChange(() => {
        const [now] = servers();
        if (now === before) return;
        before = now;
        listener();
      });
    },
    judge: (deviceId, event) => fleet.judge(deviceId, event),
    attend: (deviceId, bytes, onGone) => fleet.attend(deviceId, bytes, onGone),
    relist: (limitMs) => fleet.relist(limitMs, url),
    refresh: (deviceId) => fleet.refresh(deviceId),
  };
}

import type { Cancel, Clock } from '../clock.ts';
import type { FleetView } from '../fleet/view.ts';
import type { Feed } from '../server/feed.ts';
import type { Desks } from './desks.ts';

/** Changes come by the hundred; what is told of them is made once for a crowd, ms. */
const TELL_EVERY_MS = 5;

/** Tells watchers what runs and waits at this machine's Ollama, all of `own`, when that changes, until cancelled. */
export function tellLoad(clock: Clock, feed: Feed, own: FleetView, desks: Desks): Cancel {
  let stopTimer: Cancel | undefined;
  const tell = () => {
    stopTimer = undefined;
    const [ollama] = own.servers();
    const load = ollama && desks.of(ollama).load();
    if (load) feed.publish('load', { models: load.models });
  };
  const soon = () => {
    stopTimer ??= clock.after(TELL_EVERY_MS, tell);
  };
  const stops = [desks.onChange(soon), own.onChange(soon)];
  soon();
  return () => {
    for (const stop of stops) stop();
    stopTimer?.();
  };
}

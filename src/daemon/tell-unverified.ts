import { hostOf, isLoopbackHost } from '../config/host.ts';
import type { Listener } from '../observe/event-stream.ts';
import type { Log } from '../observe/log.ts';

export interface TellUnverifiedOptions {
  readonly log: Log;
  /** Whether only paired devices are used. */
  readonly closed: () => boolean;
  /** URL of this machine's own Ollama, wherever the user says that it is. */
  readonly ollama: string;
}

/**
 * Says once, when the first server elsewhere is used, that nobody has proved there who it is. Servers of this
 * machine, and by `https:`, need not be warned of.
 */
export function tellUnverified({ log, closed, ollama }: TellUnverifiedOptions): Listener {
  let isSaid = false;
  return (event) => {
    if (isSaid || event.type !== 'server-joined' || closed()) return;
    const { url, name } = event;
    if (url === ollama || url.startsWith('https:') || isLoopbackHost(hostOf(url))) return;
    isSaid = true;
    log.warn(
      'not paired: ids of servers are not verified, and whoever answers in the place of one reads the prompts; `ollana device pair` ends that',
      { server: name, url },
    );
  };
}

import type { ServerEvent } from '../fleet/knowledge.ts';
import { isReached } from '../fleet/verdict-rules.ts';
import type { FleetView } from '../fleet/view.ts';
import type { Feed } from './feed.ts';
import type { FreeMemory } from './free-memory.ts';

export interface TellFeedOptions {
  readonly feed: Feed;
  /** Holds this machine's Ollama and nothing else. */
  readonly fleet: FleetView;
  readonly deviceId: string;
  readonly name: string;
  /** Asked each time: its owner may change it. */
  readonly allowsManage: () => boolean;
  readonly memory: FreeMemory;
}

/** Free memory always moves a little; smaller steps than this are not worth telling, bytes. */
const MEMORY_STEP = 64 * 1024 * 1024;

/** Tells the feed what is known of this machine's Ollama whenever that changes; returns what tells it at once. */
export function tellFeed(options: TellFeedOptions): () => void {
  const { feed, fleet, deviceId, name, allowsManage, memory } = options;
  let tags: unknown;
  let ps: unknown;
  const tell = () => {
    const [own] = fleet.servers();
    if (!own) return;
    const free = memory.bytes();
    const about: ServerEvent = {
      deviceId,
      name,
      // One that broke off a stream answers all the same; its clients judge that stream for themselves.
      ollama: isReached(own.verdict) ? 'up' : 'away',
      // What one device may do beyond the others it is told in answer to its own questions.
      ...(allowsManage() && { allowsManage: true }),
      ...(free !== undefined && { freeMemoryBytes: Math.floor(free / MEMORY_STEP) * MEMORY_STEP }),
      ...(own.version !== undefined && { version: own.version }),
    };
    feed.publish('server', about);
    // Every reading makes new rows; this is called far more often.
    if (own.tags && own.tags !== tags) feed.publish('tags', { models: own.tags.map(({ raw }) => raw) });
    if (own.ps && own.ps !== ps) feed.publish('ps', { models: own.ps.map(({ raw }) => raw) });
    tags = own.tags;
    ps = own.ps;
  };
  memory.onRead = tell;
  tell();
  fleet.onChange(tell);
  return tell;
}

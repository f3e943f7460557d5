/** Where a claim about a server came from. */
export type SourceName = 'udp' | 'mdns' | 'static' | 'file' | 'dns' | 'heartbeat' | 'local';

/** One source's claim that a device is at an address. */
export interface Sighting {
  readonly source: SourceName;
  /** Base URL of the claimed server without a trailing slash, e.g. `http://192.168.1.5:11435`. */
  readonly url: string;
  /** The device that the source says lives there; absent when the source cannot know. */
  readonly deviceId?: string;
  /** What the user or the server calls it; absent when the source cannot know. */
  readonly name?: string;
  /** How long the claim counts, in ms; `Infinity` for what the user configured; 0 is a goodbye. */
  readonly leaseMs: number;
  /** How late it wants to be used: after all servers with a lower number that can take a request; absent: 0. */
  readonly tier?: number;
}

/** What every discovery source calls, and the only thing it may call. Must not throw. */
export type OnSighting = (sighting: Sighting) => void;

/** A way to learn of servers. Starting twice and disposing twice are harmless; nothing is reported after disposal. */
export interface DiscoverySource extends AsyncDisposable {
  start(): Promise<void>;
  /** Asks again at once: after a wake from sleep, or when a request finds nobody. */
  refresh(): void;
}

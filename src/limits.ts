/** What is bounded, by the name that logs and metrics have for it. A fixed set: nobody else's words become labels. */
const LIMIT_NAMES = [
  /** Connections of one peer, and of all of them. */
  'connections-per-peer',
  'connections',
  /** Requests on one connection before the first of them is answered. */
  'pipelined-requests',
  /** A request's header: its length, its number of lines, and how long it takes to come. */
  'header-bytes',
  'header-count',
  'header-time',
  /** A request's body: its length, how long it takes to come, and what the bodies of one peer take in memory. */
  'body-bytes',
  'body-time',
  'body-memory',
  /** A compressed body becomes too much, or one peer has too many that wait to be looked into. */
  'decoded-bytes',
  'decodings-per-peer',
  /** JSON within JSON. */
  'json-depth',
  /** Places in the queue, and how often one peer may ask for one. */
  'queue',
  'ticket-rate',
  /** Streams of what changes here, of one peer and of all. */
  'watchers-per-peer',
  'watchers',
  /** Files of models that are being copied from here, by one paired device and by all. */
  'copies-per-device',
  'copies',
  /** What a server answers: its header, and what it says before that (1xx). */
  'answer-header',
  'answer-interim',
] as const;

export type LimitName = (typeof LIMIT_NAMES)[number];

/** Somebody got no more of something, and was told so. */
export interface LimitEvent {
  readonly type: 'limit-reached';
  readonly limit: LimitName;
  /** Address of whoever asked or answered; undefined where it has gone. */
  readonly peer: string | undefined;
}

/** Told of every refusal; must not throw. */
export type OnLimit = (event: LimitEvent) => void;

/**
 * Whether an address, as a socket tells it, is the one by which programs of this machine come, if they do not choose
 * another: what is shared among peers does not bind them. Pure.
 */
export function isOwnAddress(address: string | undefined): boolean {
  return address === '127.0.0.1' || address === '::1' || address === '::ffff:127.0.0.1';
}

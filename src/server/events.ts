/** What the queues tell whoever observes them. */
export type QueueEvent = {
  readonly type: 'ticket';
  /** `server`: for a place in this machine's queue; `client`: for one that this machine takes in another's. */
  readonly role: 'server' | 'client';
  readonly step: TicketStep;
};

/**
 * What happens to a ticket. It is `opened`, then either `granted`, `refused` (there will be no seat), `left` (its owner
 * gave it up) or `lost` (the other side is gone). On the side that grants, a grant is then `claimed`, `lapsed` (nobody
 * claimed it in time) or `returned` (its owner gave it back).
 */
export type TicketStep =
  | 'opened'
  | 'granted'
  | 'refused'
  | 'left'
  | 'lost'
  | 'claimed'
  | 'lapsed'
  | 'returned';

/** Must not throw. */
export type OnTicket = (event: QueueEvent) => void;

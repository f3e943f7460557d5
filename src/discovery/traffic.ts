/**
 * A datagram of discovery, for whoever counts them. Of mDNS only what was looked at and our own questions: everything
 * on the network speaks it, and what makes us known is said by a library.
 */
export interface DiscoveryTraffic {
  readonly type: 'datagram';
  readonly by: 'beacon' | 'mdns';
  /**
   * `dropped`: heard and not understood, or not from our networks. `refused`: heard, and more than is taken or answered in
   * a second.
   */
  readonly direction: 'in' | 'out' | 'dropped' | 'refused';
}

/** Must not throw. */
export type OnTraffic = (traffic: DiscoveryTraffic) => void;

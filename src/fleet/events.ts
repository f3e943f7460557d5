import type { Verdict } from './verdict-rules.ts';

/** What the fleet tells whoever observes it. */
export type FleetEvent =
  | {
      readonly type: 'server-joined';
      readonly deviceId: string;
      readonly name: string;
      readonly url: string;
      readonly kind: string;
      readonly source: string;
    }
  | { readonly type: 'server-left'; readonly deviceId: string; readonly name: string; readonly url: string }
  | {
      /** A server that sleeps is called, since a request wants a model that nobody else has. */
      readonly type: 'server-woken';
      readonly deviceId: string;
      readonly name: string;
      readonly model: string;
      /** Of its network cards. */
      readonly macs: readonly string[];
    }
  | {
      readonly type: 'verdict-changed';
      readonly deviceId: string;
      readonly name: string;
      readonly url: string;
      readonly verdict: Verdict;
    }
  | {
      readonly type: 'address-refused';
      readonly url: string;
      readonly sources: readonly string[];
      readonly reason: string;
    };

import type { DnsNotice } from './dns-notice.ts';
import type { Link } from './interfaces.ts';

/** A fact about discovery itself that its user may want to know; none of them ends it. */
export type DiscoveryNotice =
  /** A socket could not be had; tried again every round, said once until it works. Port 0 = any. */
  | {
      readonly type: 'listen-failed';
      readonly address: string;
      readonly port: number;
      readonly reason: string;
    }
  /** Nothing can be sent on an interface; said once until everything can again. */
  | { readonly type: 'send-failed'; readonly interface: string; readonly reason: string }
  /** The links that discovery uses now; also said at start when there are none. */
  | { readonly type: 'links-changed'; readonly links: readonly Link[] }
  /** A line of the server file is not understood and skipped. Lines count from 1. */
  | { readonly type: 'bad-line'; readonly file: string; readonly line: number; readonly reason: string }
  /** The server file can no longer be read; its last content counts until it can. Said once until it works. */
  | { readonly type: 'file-unreadable'; readonly file: string; readonly reason: string }
  | DnsNotice
  /** The file of servers added while running makes no sense; it is at `movedTo`, or could not even be moved. */
  | {
      readonly type: 'added-unreadable';
      readonly file: string;
      readonly reason: string;
      readonly movedTo?: string;
    };

/** Must not throw. */
export type OnNotice = (notice: DiscoveryNotice) => void;

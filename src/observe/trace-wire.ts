import type { LastUse } from './last-used.ts';
import type { TracePage, TraceQuery } from './trace-query.ts';
import type { Retention } from './trace-store.ts';
import type { Usage, UsageQuery } from './usage-query.ts';

/** What is asked of the file. */
export type TraceAsk =
  | { readonly type: 'page'; readonly query: TraceQuery }
  | { readonly type: 'usage'; readonly query: UsageQuery }
  | { readonly type: 'last-uses' };

/** What comes back: `page` a TracePage, the others a list. */
export interface TraceAnswers {
  readonly page: TracePage;
  readonly usage: readonly Usage[];
  readonly 'last-uses': readonly LastUse[];
}

/** What the thread of the file is told. Rows are `KeptRow`s as JSON: text is cloned in no time. */
export type ToThread =
  | { readonly type: 'rows'; readonly rows: readonly string[] }
  | { readonly type: 'ask'; readonly id: number; readonly ask: TraceAsk }
  | { readonly type: 'close' };

/** What it tells. */
export type FromThread =
  /** So many rows wait no more: `lost` of them could not be written. */
  | { readonly type: 'settled'; readonly count: number; readonly lost: number }
  | { readonly type: 'answer'; readonly id: number; readonly value?: unknown; readonly error?: string }
  /** Rows cannot be written from now on; a file that could not be read was put aside. */
  | { readonly type: 'unwritable'; readonly reason: string }
  | { readonly type: 'put-aside'; readonly reason: string; readonly name: string };

/** What the thread begins with. */
export interface ThreadData {
  readonly path: string;
  /** Other than usual. */
  readonly retention?: Partial<Retention> | undefined;
}

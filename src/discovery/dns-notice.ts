/** A fact about discovery by DNS that its user may want to know; neither ends it. Each said once until it is over. */
export type DnsNotice =
  /** No resolver answers, or none can; what was known counts until its lease ends. */
  | { readonly type: 'dns-failed'; readonly name: string; readonly reason: string }
  /** The name has no records that lead to a server. */
  | { readonly type: 'dns-empty'; readonly name: string; readonly reason: string };

/** Must not throw. */
export type OnDnsNotice = (notice: DnsNotice) => void;

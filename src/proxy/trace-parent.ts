/** The span of a client's that a request is part of. */
export interface TraceParent {
  /** 32 digits, hexadecimal, lower case; not all zero. */
  readonly traceId: string;
  /** 16 of them; not all zero. */
  readonly spanId: string;
  /** The client keeps this trace. */
  readonly isSampled: boolean;
}

/** Version, trace, parent, flags; a later version may say more behind them. */
const FORM = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Of any version so far; no header of this name has a reason to be longer. */
const MAX_CHARS = 512;

/**
 * Reads a `traceparent` header (W3C Trace Context, section 3.2); undefined where it is none, or not valid, which the
 * standard has one pass over. Pure.
 */
export function traceParentOf(header: string | readonly string[] | undefined): TraceParent | undefined {
  if (typeof header !== 'string' || header.length > MAX_CHARS) return undefined;
  const [, version, traceId, spanId, flags, more] = FORM.exec(header) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === '00' && more !== undefined) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

import { isIPv4, isIPv6 } from 'node:net';
import { hostOf } from '../config/host.ts';
import type { TraceRow } from '../observe/trace-query.ts';

/** A request in the shape of the hub that others know; `request_json` has no prompt, as none is kept. */
export interface LogEntry {
  /** ISO 8601. */
  readonly timestamp: string;
  readonly request_ip: string;
  readonly endpoint: string;
  readonly method: string;
  readonly request_json: { readonly model: string };
  readonly node_id: string | null;
  readonly ip_version: 'IPv4' | 'IPv6' | null;
  readonly node_url: string | null;
  readonly status_code: number | null;
  readonly success: boolean;
  readonly error: string | null;
  readonly duration_ms: number;
  /** Ours: what `ollana why` takes. */
  readonly request_id: string;
}

/** A row of the traces as that hub would show it. Pure. */
export function logEntry(row: TraceRow): LogEntry {
  const text = (name: string) => (typeof row[name] === 'string' ? row[name] : null);
  const number = (name: string) => (typeof row[name] === 'number' ? row[name] : null);
  const url = text('node_url');
  const host = url === null ? '' : (hostOf(url).split('%')[0] ?? '');
  return {
    timestamp: new Date((number('timestamp') ?? 0) * 1000).toISOString(),
    request_ip: text('client') ?? '',
    endpoint: text('path') ?? '',
    method: text('method') ?? '',
    request_json: { model: text('model') ?? '' },
    node_id: text('node_id'),
    ip_version: isIPv4(host) ? 'IPv4' : isIPv6(host) ? 'IPv6' : null,
    node_url: url === null ? null : url + (text('path') ?? ''),
    status_code: number('http_status'),
    success: ['completed', 'retried'].includes(text('status') ?? ''),
    error: text('error_message'),
    duration_ms: number('latency_ms') ?? 0,
    request_id: text('request_id') ?? '',
  };
}

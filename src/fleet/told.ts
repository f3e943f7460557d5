import type { IncomingHttpHeaders } from 'node:http';

/** What a server-mode ollana tells about its machine, as headers of its answers to `GET /api/version`. */
export interface Told {
  /** Peers may change what it stores. */
  readonly allowsManage: boolean;
  /** Memory for models that is free, bytes; undefined when it does not say. */
  readonly freeMemoryBytes: number | undefined;
}

const ALLOW_HEADER = 'X-Ollana-Allow';
const FREE_MEMORY_HEADER = 'X-Ollana-Free-Memory';

/** The headers that tell it, flat. Pure. */
export function toldHeaders({ allowsManage, freeMemoryBytes }: Told): string[] {
  const headers = [ALLOW_HEADER, allowsManage ? 'manage' : 'none'];
  if (freeMemoryBytes !== undefined) headers.push(FREE_MEMORY_HEADER, String(Math.round(freeMemoryBytes)));
  return headers;
}

/** What the headers of an answer tell; a plain Ollama says nothing and keeps nobody from managing it. Pure. */
export function readTold(headers: IncomingHttpHeaders): Told {
  const allow = headers[ALLOW_HEADER.toLowerCase()];
  const free = Number(headers[FREE_MEMORY_HEADER.toLowerCase()] ?? Number.NaN);
  return {
    allowsManage: allow === undefined || allow === 'manage',
    freeMemoryBytes: Number.isFinite(free) && free >= 0 ? free : undefined,
  };
}

/** How often a server tells that it is there: seed systems of this kind beat as fast, ms. */
export const HEARTBEAT_MS = 30_000;
/** One beat may be lost; who misses two is offline, ms. */
export const HEARTBEAT_LEASE_MS = 60_000;
/** After this without a beat it is forgotten, ms. */
export const HEARTBEAT_FORGET_MS = 180_000;
/** Where a server posts itself. */
export const HEARTBEAT_PATH = '/nodes/heartbeat';
/** As many models as are read, with long names, take less. */
export const HEARTBEAT_MAX_BYTES = 512 * 1024;

/** A machine stores fewer models; a hostile one gets no further. */
const MAX_MODELS = 512;
const MAX_MODEL_LENGTH = 512;
const MAX_ID_LENGTH = 128;
const MAX_METADATA = 16;
const MAX_METADATA_LENGTH = 256;

/** What a server tells of itself. The addresses are its own opinion. */
export interface Heartbeat {
  readonly nodeId: string;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly port: number;
  readonly models: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Parts of 1; null where it does not tell. */
  readonly load: { readonly cpu: number | null; readonly memory: number | null };
}

/** The JSON of a heartbeat, with the member names of the seed system. Pure. */
export function heartbeatBody({ nodeId, ...rest }: Heartbeat): object {
  const { ipv4 = null, ipv6 = null, models, ...more } = rest;
  return { node_id: nodeId, ipv4, ipv6, ...more, models: models.slice(0, MAX_MODELS) };
}

/**
 * Reads a heartbeat. Members that are not understood are left out, as are models and metadata beyond what anybody has;
 * throws RangeError, saying what is wrong, only without an id or a port. Pure.
 */
export function readHeartbeat(body: Readonly<Record<string, unknown>>): Heartbeat {
  const { node_id: id, ipv4, ipv6, port, models, metadata, load } = body;
  const nodeId = typeof id === 'string' ? clean(id) : '';
  if (nodeId === '' || nodeId.length > MAX_ID_LENGTH)
    throw new RangeError(`node_id is text of 1 to ${MAX_ID_LENGTH} characters`);
  if (!Number.isInteger(port) || Number(port) < 1 || Number(port) > 65_535)
    throw new RangeError('port is a whole number from 1 to 65535');
  const { cpu, memory } = object(load);
  return {
    nodeId,
    ipv4: textOf(ipv4, 15),
    ipv6: textOf(ipv6, 45),
    port: Number(port),
    models: Array.isArray(models) ? models.filter(isModelName).slice(0, MAX_MODELS) : [],
    metadata: metadataIn(metadata),
    load: { cpu: partOf(cpu), memory: partOf(memory) },
  };
}

function metadataIn(value: unknown): Readonly<Record<string, string>> {
  const rows = Object.entries(object(value)).flatMap(([key, one]) =>
    typeof one === 'string' && key.length <= MAX_ID_LENGTH
      ? [[clean(key), clean(one.slice(0, MAX_METADATA_LENGTH))] as const]
      : [],
  );
  // Without a prototype, a key may be called as one likes.
  return Object.assign(Object.create(null), Object.fromEntries(rows.slice(0, MAX_METADATA)));
}

function isModelName(value: unknown): value is string {
  return (
    typeof value === 'string' && value !== '' && value.length <= MAX_MODEL_LENGTH && !/[\p{C}\s]/u.test(value)
  );
}

function textOf(value: unknown, longest: number): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= longest ? value : undefined;
}

function partOf(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 && value <= 1 ? value : null;
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** Nothing that steers a terminal or hides text. */
function clean(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '').trim();
}

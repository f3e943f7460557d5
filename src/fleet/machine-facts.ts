/** A graphics card of a server. Null: nobody tells. */
export interface GpuCard {
  readonly name: string | null;
  readonly totalBytes: number | null;
  readonly freeBytes: number | null;
  /** How busy it is, 0..1. */
  readonly load: number | null;
  readonly temperatureC: number | null;
  readonly powerW: number | null;
  readonly powerLimitW: number | null;
}

/** Bytes there are, and bytes that are free. */
export interface Room {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** What a server tells of the machine that it is. What is null, nobody could read: nothing here is guessed. */
export interface MachineFacts {
  /** When it was read, by that machine's clock, ms since 1970. */
  readonly atMs: number;
  /** Version of ollana there. */
  readonly ollana: string | null;
  readonly system: string | null;
  readonly cpu: { readonly name: string | null; readonly cores: number | null; readonly load: number | null };
  readonly memory: Room | null;
  /** Where Ollama keeps its models. */
  readonly disk: Room | null;
  readonly gpus: readonly GpuCard[];
  /** The interface by which it reaches the network. */
  readonly link: { readonly name: string; readonly mbps: number | null } | null;
  /** Requests that Ollama runs at once, and where that is known from. */
  readonly parallel: { readonly value: number; readonly source: string } | null;
  /** Ollama's variables that are set, as they are written; null where they cannot be read. */
  readonly settings: Readonly<Record<string, string>> | null;
}

/** Machines have up to 16; a hostile peer gets no further. */
const MAX_GPUS = 32;
/** As many variables as are told, and some that later versions may add. */
const MAX_SETTINGS = 32;
/** Longer texts are cut: they stand in a line. */
const MAX_TEXT = 100;

/** What a peer tells of its machine, as far as it makes sense; undefined when it is no such thing. Never throws. Pure. */
export function readMachineFacts(value: unknown): MachineFacts | undefined {
  const told = object(value);
  if (!told) return undefined;
  const cpu = object(told.cpu) ?? {};
  const link = object(told.link);
  const linkName = text(link?.name);
  const parallel = object(told.parallel);
  const slots = number(parallel?.value);
  return {
    atMs: number(told.atMs) ?? 0,
    ollana: text(told.ollana),
    system: text(told.system),
    cpu: { name: text(cpu.name), cores: number(cpu.cores), load: part(cpu.load) },
    memory: room(told.memory),
    disk: room(told.disk),
    gpus: Array.isArray(told.gpus) ? told.gpus.slice(0, MAX_GPUS).map(card) : [],
    link: linkName === null ? null : { name: linkName, mbps: number(link?.mbps) },
    parallel: slots === null ? null : { value: slots, source: text(parallel?.source) ?? 'unknown' },
    settings: settings(told.settings),
  };
}

function card(value: unknown): GpuCard {
  const told = object(value) ?? {};
  return {
    name: text(told.name),
    totalBytes: number(told.totalBytes),
    freeBytes: number(told.freeBytes),
    load: part(told.load),
    temperatureC: number(told.temperatureC),
    powerW: number(told.powerW),
    powerLimitW: number(told.powerLimitW),
  };
}

function room(value: unknown): Room | null {
  const told = object(value);
  const [totalBytes, freeBytes] = [number(told?.totalBytes), number(told?.freeBytes)];
  if (totalBytes === null || freeBytes === null || totalBytes === 0 || freeBytes > totalBytes) return null;
  return { totalBytes, freeBytes };
}

function settings(value: unknown): Readonly<Record<string, string>> | null {
  const told = object(value);
  if (!told) return null;
  const named = Object.entries(told)
    .filter(([key, one]) => /^OLLAMA_[A-Z_]{1,40}$/.test(key) && text(one) !== null)
    .slice(0, MAX_SETTINGS);
  return Object.fromEntries(named.map(([key, one]) => [key, text(one) ?? '']));
}

function object(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Record<string, unknown>;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, MAX_TEXT) : null;
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

function part(value: unknown): number | null {
  const found = number(value);
  return found === null ? null : Math.min(1, found);
}

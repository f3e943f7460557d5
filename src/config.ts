import type { Option } from './config/option.ts';
import { OPTIONS } from './config/options.ts';
import { type Otlp, otlpOf } from './config/otlp.ts';
import { ASIDE_PORT, OLLAMA_PORT, resolveOllama } from './config/own-ollama.ts';
import { defaultDataDir, pathsOf, runtimeDir } from './config/paths.ts';
import { type Flags, pick, pickGiven, pickList, type Sources, splitList } from './config/pick.ts';
import { readSubstitution, type Substitution } from './config/substitute.ts';
import type { Surroundings } from './config/surroundings.ts';
import { OllanaError } from './errors.ts';

/** How a client chooses among servers that can take a request: `fastest` by expected finish, the others as named. */
export type PolicyName = 'fastest' | 'race' | 'least-busy' | 'first' | 'random';

/** What both modes are told; frozen. Times in milliseconds, paths absolute. */
export interface CommonConfig {
  /** Address or name to listen on; IPv6 without brackets. */
  readonly host: string;
  /** TCP port to listen on; 0 = any free one. */
  readonly port: number;
  /** Base URL of this machine's own Ollama, no trailing slash. */
  readonly ollama: string;
  /** `URL[=name]` or `host:port[=name]` as typed, valid for `parseServerAddress`. */
  readonly servers: readonly string[];
  readonly serverFile?: string;
  /** UDP port of discovery, 1-65535. */
  readonly discoveryPort: number;
  /** The only interfaces that discovery may use; empty = all. */
  readonly interfaces: readonly string[];
  /** Discovery by UDP broadcast. */
  readonly udp: boolean;
  /** Discovery by mDNS. */
  readonly mdns: boolean;
  /** `dns:NAME[@RESOLVER[:PORT]]` as typed, valid for `parseDiscover`; absent: no discovery by DNS. */
  readonly discover?: readonly string[];
  /** Where ollana keeps what outlives a run; may not exist yet. */
  readonly dataDir: string;
  /** As `parseLogLevels` reads it. */
  readonly logLevel: string;
  /** `auto`: lines for people where stderr is a terminal. */
  readonly logFormat: 'auto' | 'json' | 'pretty';
  /** The lines of ollama_load_balancer; absent: no. */
  readonly emoji?: boolean;
  /** Prompts and answers go into the log; absent: no. */
  readonly logBodies?: boolean;
  /** Absent: log to stderr. */
  readonly logFile?: string;
  /** How long connecting to a server may take; at least 1. */
  readonly connectTimeoutMs: number;
  /** Silence after which a server is given up; 0 = never, the probe beside the request decides. */
  readonly silenceTimeoutMs: number;
  /** Detach from the terminal. */
  readonly background: boolean;
  /** Where the pid file goes if one is written: see `writesPidFile`. */
  readonly pidFile: string;
  /** True in the background or when a pid file was asked for. */
  readonly writesPidFile: boolean;
  /** What others see this machine as. */
  readonly name: string;
  /** Requests without an API key of this installation are refused; absent: they are not. */
  readonly requireKey?: boolean;
  /** What happened to each request is kept. */
  readonly traces: boolean;
  /** Spans of requests go to a collector, by the variables of OpenTelemetry; absent: they do not. */
  readonly otlp?: Otlp;
  /** Only paired devices are let in and used; false: everybody; absent: once a device has been allowed. */
  readonly requirePairing?: boolean;
  /** Web origins let in beside Ollama's built-in ones: OLLAMA_ORIGINS, then OLLANA_ORIGINS or --origins. */
  readonly origins: readonly string[];
}

export interface ClientConfig extends CommonConfig {
  readonly mode: 'client';
  /** Whether this machine's own Ollama is the candidate of last resort. */
  readonly localFallback: boolean;
  readonly policy: PolicyName;
  /** How many servers race for a request under the policy `race`, 2-6. */
  readonly raceWidth: number;
  /** How long a request that runs a model waits for a server; 0 = not at all. */
  readonly holdMs: number;
  /** Absent: nothing but the wanted model answers. */
  readonly substitute?: Substitution;
  /** Whether a num_ctx that the loaded model covers is dropped, so that it causes no reload. */
  readonly protectContext: boolean;
  /** Whether a model that no server has is pulled when a request wants it. */
  readonly autoPull: boolean;
  /** Servers that sleep are woken when their model is wanted; absent: they are not. */
  readonly wake?: boolean;
  /** Servers may register themselves; absent: they may not. */
  readonly acceptRegistrations?: boolean;
  /** Ollama's own port is served, too, while no Ollama wants it; absent: it is not. */
  readonly takePort?: boolean;
}

export interface ServerConfig extends CommonConfig {
  readonly mode: 'server';
  /** Which kinds of route peers may use beside inference and reading. */
  readonly allow: ReadonlySet<'manage'>;
  /** Registries beside Ollama's own that peers may name, lower case; absent: none. */
  readonly allowRegistry?: readonly string[];
  /** How many requests Ollama runs at once for each model, 1-64; absent: found out. */
  readonly parallel?: number;
  /** Base URLs of the ollanas that are told of this server; absent: none. */
  readonly register?: readonly string[];
  /** What the system's shell runs when nothing has been asked for `idleAfterMs`; absent: nothing. */
  readonly idleCommand?: string;
  /** How long that is; at least 1000. */
  readonly idleAfterMs?: number;
}

/** The defaults that do not depend on the surroundings, for those who build a configuration by hand. */
export const DEFAULTS = Object.freeze({
  clientHost: '127.0.0.1',
  serverHost: '0.0.0.0',
  port: fallbackOf(OPTIONS.port),
  ollama: fallbackOf(OPTIONS.ollama),
  discoveryPort: fallbackOf(OPTIONS.discoveryPort),
  connectTimeoutMs: fallbackOf(OPTIONS.connectTimeoutMs),
  silenceTimeoutMs: fallbackOf(OPTIONS.silenceTimeoutMs),
  logLevel: fallbackOf(OPTIONS.logLevel),
  policy: fallbackOf(OPTIONS.policy),
  raceWidth: fallbackOf(OPTIONS.raceWidth),
  holdMs: fallbackOf(OPTIONS.holdMs),
});

export interface ConfigInput<Mode extends 'client' | 'server' = 'client' | 'server'> extends Surroundings {
  readonly mode: Mode;
  /** As typed; unknown names are refused by whoever reads the command line. */
  readonly flags: Flags;
  /** What `config.toml` sets, without its mistakes; absent: there is none. */
  readonly file?: Sources['file'];
}

/**
 * The whole configuration: flag, else `OLLANA_*` variable, else `config.toml`, else default. Pure: reads nothing but its input.
 * Throws OLLANA_BAD_OPTION naming the option, the value and where it came from.
 */
export function resolveConfig(input: ConfigInput<'client'>): ClientConfig;
export function resolveConfig(input: ConfigInput<'server'>): ServerConfig;
export function resolveConfig(input: ConfigInput): ClientConfig | ServerConfig;
export function resolveConfig(input: ConfigInput): ClientConfig | ServerConfig {
  const common = resolveCommon(input);
  if (input.mode === 'server') {
    const parallel = pickGiven(OPTIONS.parallel, input);
    const register = pickList(OPTIONS.register, input);
    const allowRegistry = pickList(OPTIONS.allowRegistry, input);
    const idleCommand = pickGiven(OPTIONS.idleCommand, input);
    return Object.freeze({
      ...common,
      mode: 'server',
      allow: new Set(pickList(OPTIONS.allow, input)),
      ...(parallel === undefined ? {} : { parallel }),
      ...(register.length === 0 ? {} : { register }),
      ...(allowRegistry.length === 0 ? {} : { allowRegistry }),
      ...(idleCommand === undefined ? {} : { idleCommand, idleAfterMs: pick(OPTIONS.idleAfterMs, input) }),
    } as const);
  }
  const substitute = readSubstitution(pickList(OPTIONS.substitute, input));
  return Object.freeze({
    ...common,
    mode: 'client',
    localFallback: pick(OPTIONS.localFallback, input),
    policy: pick(OPTIONS.policy, input),
    raceWidth: pick(OPTIONS.raceWidth, input),
    holdMs: pick(OPTIONS.holdMs, input),
    ...(substitute === undefined ? {} : { substitute }),
    protectContext: pick(OPTIONS.protectContext, input),
    autoPull: pick(OPTIONS.autoPull, input),
    ...(pick(OPTIONS.wake, input) ? { wake: true } : {}),
    ...(pick(OPTIONS.acceptRegistrations, input) ? { acceptRegistrations: true } : {}),
    ...(pick(OPTIONS.takePort, input) ? { takePort: true } : {}),
  } as const);
}

/** Where a running daemon's files are: all that the commands which look for one need. Throws OLLANA_BAD_OPTION. */
export function resolveDataDir(input: Sources & Surroundings): string {
  const dataDir = pickPath(OPTIONS.dataDir, input) ?? defaultDataDir(input);
  if (dataDir !== undefined) return dataDir;
  throw new OllanaError('OLLANA_BAD_OPTION', 'this user has no home directory: give --data-dir DIR');
}

function resolveCommon(input: ConfigInput): CommonConfig {
  const { mode } = input;
  const dataDir = resolveDataDir(input);
  const host =
    pickGiven(OPTIONS.host, input) ?? (mode === 'client' ? DEFAULTS.clientHost : DEFAULTS.serverHost);
  const port = pick(OPTIONS.port, input);
  const { join } = pathsOf(input.platform);
  const background = pick(OPTIONS.background, input);
  const logFile = pickPath(OPTIONS.logFile, input) ?? (background ? join(dataDir, `${mode}.log`) : undefined);
  const pidFile = pickPath(OPTIONS.pidFile, input);
  const serverFile = pickPath(OPTIONS.serverFile, input);
  const discover = pickList(OPTIONS.discover, input);
  const requirePairing = pickGiven(OPTIONS.requirePairing, input);
  const otlp = otlpOf(input.env);
  const takesPort = mode === 'client' && pick(OPTIONS.takePort, input);
  return {
    host,
    port,
    ollama: takesPort
      ? resolveOllama(input, [{ host, port }, TAKEN_FACE], `http://127.0.0.1:${ASIDE_PORT}`)
      : resolveOllama(input, [{ host, port }], DEFAULTS.ollama),
    servers: pickList(OPTIONS.servers, input),
    ...(serverFile === undefined ? {} : { serverFile }),
    discoveryPort: pick(OPTIONS.discoveryPort, input),
    interfaces: pickList(OPTIONS.interfaces, input),
    udp: pick(OPTIONS.udp, input),
    mdns: pick(OPTIONS.mdns, input),
    ...(discover.length > 0 ? { discover } : {}),
    dataDir,
    logLevel: pick(OPTIONS.logLevel, input),
    logFormat: pick(OPTIONS.logFormat, input),
    ...(pick(OPTIONS.emoji, input) ? { emoji: true } : {}),
    ...(pick(OPTIONS.logBodies, input) ? { logBodies: true } : {}),
    ...(logFile === undefined ? {} : { logFile }),
    connectTimeoutMs: pick(OPTIONS.connectTimeoutMs, input),
    silenceTimeoutMs: pick(OPTIONS.silenceTimeoutMs, input),
    background,
    pidFile: pidFile ?? join(runtimeDir(input, dataDir), `${mode}.pid`),
    writesPidFile: background || pidFile !== undefined,
    name: pickGiven(OPTIONS.name, input) ?? plainName(input.hostname),
    ...(pick(OPTIONS.requireKey, input) ? { requireKey: true } : {}),
    traces: pick(OPTIONS.traces, input),
    ...(otlp === undefined ? {} : { otlp }),
    ...(requirePairing === undefined ? {} : { requirePairing }),
    origins: Object.freeze([
      ...splitList(input.env.OLLAMA_ORIGINS ?? ''),
      ...pickList(OPTIONS.origins, input),
    ]),
  };
}

/** What ollana listens on, too, with --take-port. */
const TAKEN_FACE = { host: '127.0.0.1', port: OLLAMA_PORT };
/** An absolute path, or undefined when none is given. */
function pickPath(option: Option<string>, input: Sources & Surroundings): string | undefined {
  const path = pickGiven(option, input);
  return path === undefined ? undefined : pathsOf(input.platform).resolve(input.cwd, path);
}

/** A host name is the system's word, not the user's: unfit characters are dropped, not refused. */
function plainName(hostname: string): string {
  return [...hostname.replace(/\p{C}/gu, '')].slice(0, 64).join('') || 'unnamed';
}

function fallbackOf<T>({ parse, fallback }: Option<T>): T {
  return parse(fallback ?? '');
}

import type { Pool, PoolServer } from '../fleet/pool.ts';
import { serverNamed } from '../fleet/server-named.ts';
import { isReached } from '../fleet/verdict-rules.ts';
import { isCloudModel, modelKey } from '../ollama/names.ts';
import type { RouteClass } from '../ollama/routes.ts';

/** Where a request may go, before anything is chosen among those. */
export type Targets =
  /** To whichever server suits best. */
  | { readonly type: 'any' }
  /** To one of these, best first; `why` is told with the answer. `inLine`: what runs a model waits for its turn there. */
  | {
      readonly type: 'one-of';
      readonly servers: readonly PoolServer[];
      readonly why: string;
      readonly inLine?: boolean;
    }
  /** To every one of these. */
  | { readonly type: 'each'; readonly servers: readonly PoolServer[] }
  /** To nobody: `message` says why and what to do. */
  | { readonly type: 'nobody'; readonly status: number; readonly message: string };

/** What a request says that bears on where it may go. */
export interface TargetFacts {
  readonly routeClass: RouteClass;
  readonly path: string;
  readonly model: string | undefined;
  /** Unloads its model (`keep_alive: 0` and nothing to do). */
  readonly unloads: boolean;
  /** `source` of a copy, `from` of a create: a model that the server must hold. */
  readonly source: string | undefined;
  /** The server that the client named, as it spelled it. */
  readonly named: string | undefined;
  /** The server that this client's blobs went to. */
  readonly home: string | undefined;
}

/**
 * Decides which servers a request may go to. Blobs and the create that uses them meet at one server; what
 * removes or unloads a model reaches everyone who has it; what spends an ollama.com account goes to this
 * machine's own Ollama and to nobody else's. Pure.
 */
export function targetsFor(facts: TargetFacts, pool: Pool): Targets {
  const { routeClass, model, named } = facts;
  const account =
    routeClass === 'identity' || (cloudModelOf(facts) !== undefined && routeClass !== 'unknown');
  if (named !== undefined) return account ? namedAccount(facts, named, pool) : namedServer(named, pool);
  if (account) return ownOllama(facts, pool);
  // Nothing is loaded on a machine that nobody reaches, or nobody can tell it so.
  if (facts.unloads)
    return everyHolder(
      model,
      pool.filter(({ verdict }) => isReached(verdict)),
    );
  if (routeClass === 'broadcast') return everyHolder(model, pool);
  if (routeClass === 'pinned') return pinned(facts, pool);
  return { type: 'any' };
}

/** The model of ollama.com that a request names, or starts from: a copy of one runs there under any name. */
function cloudModelOf({ routeClass, model, source }: TargetFacts): string | undefined {
  const from = routeClass === 'pinned' ? source : undefined;
  return [model, from].find((name) => name !== undefined && isCloudModel(name));
}

function namedServer(named: string, pool: Pool): Targets {
  const server = serverNamed(named, pool);
  if (server) return { type: 'one-of', servers: [server], why: 'named', inLine: true };
  const names = byName(pool)
    .map(({ name }) => name)
    .join(', ');
  return {
    type: 'nobody',
    status: 404,
    message: `no server is called ${named}; ${names === '' ? 'none has been found yet: run `ollana serve` on it, or name it with --server URL' : `known are: ${names}`}`,
  };
}

/** Naming a server is no way to spend the account of whoever owns it. */
function namedAccount(facts: TargetFacts, named: string, pool: Pool): Targets {
  const targets = namedServer(named, pool);
  if (targets.type !== 'one-of') return targets;
  // What runs at ollama.com takes no turn here.
  if (targets.servers.every(({ kind }) => kind === 'local')) return { ...targets, inLine: false };
  return {
    type: 'nobody',
    status: 403,
    message: `${cloudModelOf(facts) ?? facts.path} acts on an ollama.com account, and that of ${named} is not yours to use; leave the server out`,
  };
}

function ownOllama(facts: TargetFacts, pool: Pool): Targets {
  const servers = pool.filter((server) => server.kind === 'local' && server.verdict.state === 'reliable');
  if (servers.length > 0) return { type: 'one-of', servers, why: 'own account' };
  const model = cloudModelOf(facts);
  const what = model === undefined ? `${facts.path} concerns ollama.com` : `${model} runs on ollama.com`;
  return {
    type: 'nobody',
    status: 503,
    message: `${what}, with the account of this machine's own Ollama, and there is none running here; start one, or use --ollama URL`,
  };
}

/** For people, who would wonder at an order that changes: servers are found in any. */
function byName(servers: readonly PoolServer[]): readonly PoolServer[] {
  return [...servers].sort((a, b) => a.name.localeCompare(b.name, 'en'));
}

/** Those who have the model; when nobody is known to, anybody, whose Ollama then says so. */
function everyHolder(model: string | undefined, pool: Pool): Targets {
  const holders = model === undefined ? [] : pool.filter((server) => server.modelKeys.has(modelKey(model)));
  return holders.length > 1 ? { type: 'each', servers: byName(holders) } : { type: 'any' };
}

function pinned({ path, model, source, home }: TargetFacts, pool: Pool): Targets {
  const reliable = pool.filter((server) => server.verdict.state === 'reliable');
  const open = reliable.filter((server) => server.allowsManage);
  // Where nobody allows it, the first one's refusal says what its owner would have to do.
  const able = open.length > 0 ? open : reliable;
  const holding = (name: string, among: Pool = able) =>
    among.filter((server) => server.modelKeys.has(modelKey(name)));
  const needed = source ?? (path === '/api/push' ? model : undefined);
  const holders = needed === undefined ? [] : holding(needed);
  // A create can fetch what it starts from; a copy or a push elsewhere than at a holder says "not found" in vain.
  if (needed !== undefined && holders.length === 0 && path !== '/api/create') {
    const shut = holding(needed, reliable);
    const others = shut.length > 0 ? shut : holding(needed, pool);
    if (others.length > 0) return { type: 'one-of', servers: others, why: 'holds the source' };
  }
  const atHome = able.filter((server) => server.deviceId === home);
  if (holders.length > 0) {
    const both = holders.filter((server) => atHome.includes(server));
    return { type: 'one-of', servers: both.length > 0 ? both : byRoom(holders), why: 'holds the source' };
  }
  if (path !== '/api/pull' && atHome.length > 0)
    return { type: 'one-of', servers: atHome, why: 'its blobs are there' };
  const updated = path === '/api/pull' && model !== undefined ? holding(model) : [];
  if (updated.length > 0) return { type: 'one-of', servers: byRoom(updated), why: 'holds it already' };
  if (able.length > 0) return { type: 'one-of', servers: byRoom(able), why: 'most free memory' };
  return { type: 'any' };
}

/**
 * Most free memory first; what is not known comes after what is, this machine's own Ollama last. Equal ones stay
 * in their order: blobs that are uploaded side by side have to meet.
 */
function byRoom(servers: readonly PoolServer[]): readonly PoolServer[] {
  const room = (server: PoolServer) => (server.kind === 'local' ? -2 : (server.freeMemoryBytes ?? -1));
  return [...servers].sort((a, b) => room(b) - room(a));
}

import { OllanaError } from '../../errors.ts';
import type { ServerLoad } from '../../fleet/load.ts';
import type { Pool, PoolServer } from '../../fleet/pool.ts';
import { serverNamed } from '../../fleet/server-named.ts';
import { isReached } from '../../fleet/verdict-rules.ts';
import type { TagRow } from '../../ollama/lists.ts';
import { isCloudModel, modelKey } from '../../ollama/names.ts';
import { assumedCost } from '../../routing/assumed-cost.ts';
import { kindOf } from '../../server/slots.ts';
import { PROMPTS } from './prompts.ts';
import type { BenchmarkOrder, BenchmarkPlan, BenchmarkTarget } from './run.ts';

/** More takes hours, which nobody means who says `all`; it is also what keeps a run, and its file, small. */
export const MOST_TARGETS = 200;
/** Longer names come from nobody honest. */
const LONGEST_MODEL = 600;

/** What is known of a server's speeds. */
export type LoadOf = (server: PoolServer) => ServerLoad | undefined;

/**
 * What is to be measured, and what it takes about. Models that cannot chat are left out, and those of ollama.com, which
 * show no GPU here. Throws OLLANA_NO_SERVER and OLLANA_NO_MODEL (404) for what nobody is called or holds, and
 * OLLANA_BAD_REQUEST (400) for more than 200 of them. Pure but for `loadOf`.
 */
export function planOf(order: BenchmarkOrder, pool: Pool, loadOf: LoadOf): BenchmarkPlan {
  const servers = chosenServers(order.servers, pool);
  const wanted = new Set(order.models.map(modelKey));
  const targets = servers.flatMap((server) => {
    const rows = measurable(server).filter(({ key }) => wanted.size === 0 || wanted.has(key));
    const load = loadOf(server);
    const made = rows.map((row) => targetOf(server, row, load, order.rounds));
    return made.sort((a, b) => Number(a.cold) - Number(b.cold) || a.model.localeCompare(b.model, 'en'));
  });
  for (const model of order.models) refuseUnheld(model, servers, targets);
  if (targets.length === 0) throw noModel(`no model that can chat is held by ${namesOf(servers)}`);
  if (targets.length > MOST_TARGETS)
    throw new OllanaError(
      'OLLANA_BAD_REQUEST',
      `that is ${targets.length} models at servers, and a benchmark takes ${MOST_TARGETS} at most: name models or servers`,
      { status: 400 },
    );
  const times = new Map<string, number>();
  for (const { deviceId, aboutMs } of targets) times.set(deviceId, (times.get(deviceId) ?? 0) + aboutMs);
  return {
    rounds: order.rounds,
    targets,
    servers: times.size,
    loads: targets.filter(({ cold }) => cold).length,
    gpuMs: sum([...times.values()]),
    tookMs: Math.max(...times.values()),
  };
}

/** How many answers a target takes: a cold one one more, which has it loaded. Pure. */
export function answersOf(cold: boolean, rounds: number): number {
  return rounds * PROMPTS.length + Number(cold);
}

function chosenServers(wanted: readonly string[], pool: Pool): Pool {
  const byName = [...pool].sort((a, b) => a.name.localeCompare(b.name, 'en'));
  if (wanted.length > 0) {
    const named = wanted.map((name) => namedServer(name, byName));
    return byName.filter((server) => named.includes(server));
  }
  const there = byName.filter(({ verdict }) => isReached(verdict));
  const others = there.filter(({ kind }) => kind !== 'local');
  if (there.length > 0) return others.length > 0 ? others : there;
  throw noServer(
    pool.length === 0 ? 'no server has been found yet' : `no server that is known answers: ${namesOf(pool)}`,
  );
}

function namedServer(wanted: string, pool: Pool): PoolServer {
  const server = serverNamed(wanted, pool);
  if (!server) throw noServer(`no server is called ${wanted.slice(0, 200)}: known are ${namesOf(pool)}`);
  if (isReached(server.verdict)) return server;
  const why = server.verdict.state === 'reliable' ? '' : ` (${server.verdict.reason})`;
  throw noServer(`${server.name} does not answer${why}`);
}

function measurable(server: PoolServer): readonly TagRow[] {
  return (server.tags ?? []).filter(({ name, key, raw }) => {
    const isElsewhere = isCloudModel(name) || (typeof raw.remote_host === 'string' && raw.remote_host !== '');
    return name.length <= LONGEST_MODEL && !isElsewhere && chats(server, key);
  });
}

/** Old versions tell no capabilities; those of models that only embed are then known by their family. */
function chats(server: PoolServer, key: string): boolean {
  const { capabilities = [], family = '' } = kindOf(key, server);
  return capabilities.length > 0 ? capabilities.includes('completion') : !/bert/i.test(family);
}

function targetOf(
  server: PoolServer,
  { name, key, raw }: TagRow,
  load: ServerLoad | undefined,
  rounds: number,
): BenchmarkTarget {
  const row = load?.models[key];
  const here = {
    decodeMsPerToken: row?.decodeMsPerToken ?? undefined,
    prefillMsPerToken: row?.prefillMsPerToken ?? undefined,
    loadMs: row?.loadMs ?? undefined,
  };
  const size = typeof raw.size === 'number' && raw.size >= 0 ? raw.size : undefined;
  const cost = assumedCost(here, undefined, size);
  const cold = !server.loadedKeys.has(key);
  const times = PROMPTS.map(
    ({ aboutTokens, maxTokens }) => aboutTokens * cost.prefillMsPerToken + maxTokens * cost.decodeMsPerToken,
  );
  const aboutMs = rounds * sum(times) + (cold ? cost.loadMs + (times[0] ?? 0) : 0);
  return { deviceId: server.deviceId, server: server.name, model: name, cold, aboutMs: Math.round(aboutMs) };
}

function refuseUnheld(model: string, servers: Pool, targets: readonly BenchmarkTarget[]): void {
  const key = modelKey(model);
  if (targets.some((one) => modelKey(one.model) === key)) return;
  const isHeld = servers.some(({ modelKeys }) => modelKeys.has(key));
  const shown = model.slice(0, 200);
  throw noModel(
    isHeld
      ? `${shown} has no speed to measure here: it only embeds, or runs on ollama.com`
      : `no model is called ${shown} at ${namesOf(servers)}: \`ollana models\` lists those that there are`,
  );
}

/** Some of many, so that an error stays a line. */
function namesOf(servers: Pool): string {
  const names = servers.slice(0, 10).map(({ name }) => name);
  return names.length === 0 ? 'none' : names.join(', ') + (servers.length > names.length ? ', …' : '');
}

const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
const noServer = (what: string) => new OllanaError('OLLANA_NO_SERVER', what, { status: 404 });
const noModel = (what: string) => new OllanaError('OLLANA_NO_MODEL', what, { status: 404 });

import { type Clock, sleep } from '../clock.ts';
import { addressOf } from '../config/host.ts';
import type { CommonConfig } from '../config.ts';
import type { AddedServers } from '../discovery/added-servers.ts';
import { OllanaError } from '../errors.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { pathOf } from '../ollama/routes.ts';
import { answerError } from '../proxy/error-answer.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson } from '../proxy/front.ts';
import { whyItStays } from './provenance.ts';
import { findAdded, readAddOrder } from './server-request.ts';
import { bad, readJson, refuseStrangers, restOf } from './small-json.ts';
import type { ServerStatus, StatusReport } from './status.ts';

export interface ServerPathsOptions {
  readonly config: Pick<CommonConfig, 'serverFile'>;
  readonly clock: Clock;
  readonly fleet: Fleet;
  readonly added: AddedServers;
  readonly status: () => StatusReport;
  /** Asks the network for servers at once. */
  readonly seek: () => void;
}

/** A URL, a name and what is around them. */
const MAX_BODY_BYTES = 16 * 1024;
/** A server on the LAN has said who it is and what it holds long before; whoever named it waits for that, ms. */
const FIRST_LOOK_MS = 2000;
/** Lists come in some 10 ms; one server that does not answer keeps nobody waiting longer than this, ms. */
const SYNC_LIMIT_MS = 5000;

const SERVERS = '/servers/';
const METHODS: Readonly<Record<string, string>> = {
  '/status': 'GET',
  '/add_server': 'POST',
  '/sync_servers': 'POST',
  [SERVERS]: 'DELETE',
};

/**
 * Answers the paths by which servers are named and taken back while ollana runs; returns false for all others.
 * `GET /status`, `POST /add_server`, `DELETE /servers/NAME`, `POST /sync_servers`: for programs of this machine only.
 */
export function serverPaths(options: ServerPathsOptions): (exchange: Exchange) => boolean {
  const answers: Readonly<Record<string, (exchange: Exchange) => Promise<void>>> = {
    '/status': async (exchange) => answerJson(exchange, 200, summary(options.status())),
    '/add_server': (exchange) => add(options, exchange),
    '/sync_servers': (exchange) => sync(options, exchange),
    [SERVERS]: (exchange) => remove(options, exchange),
  };
  return (exchange) => {
    const path = pathOf(exchange.target);
    const key = path.startsWith(SERVERS) ? SERVERS : path;
    const answer = Object.hasOwn(answers, key) ? answers[key] : undefined;
    // To other machines there is no such thing; the front says so in Ollama's words.
    if (!answer || (!exchange.fromHere && exchange.method === 'GET')) return false;
    const method = METHODS[key] ?? 'GET';
    const isRead = method === 'GET' && exchange.method === 'HEAD';
    if (exchange.method !== method && !isRead) {
      exchange.extraHeaders.push('Allow', method);
      answerJson(exchange, 405, { error: `${key} takes ${method}` });
      return true;
    }
    const done = async () => {
      if (method !== 'GET') refuseStrangers(exchange);
      await answer(exchange);
    };
    done().catch((error: unknown) => answerError(exchange, error));
    return true;
  };
}

async function add({ added, fleet, clock, status }: ServerPathsOptions, exchange: Exchange): Promise<void> {
  const { server: wanted, keep } = readAddOrder(await readJson(exchange, clock, MAX_BODY_BYTES));
  const isNew = !added.servers().some(({ url }) => url === wanted.url);
  const { url, name, kept } = await added.add(wanted, keep);
  const find = () => serverAt(fleet, status(), url);
  const isRead = (one: ServerStatus | undefined) => one?.version !== undefined;
  if (!isRead(find())) await changed(fleet, clock, FIRST_LOOK_MS, () => isRead(find()));
  const server = find();
  if (server && name !== undefined && server.name !== name) fleet.refresh(server.deviceId);
  answerJson(exchange, isNew ? 201 : 200, {
    status: 'ok',
    url,
    name: name ?? server?.name ?? addressOf(url).shown,
    added: isNew,
    kept,
    ...(server && { server }),
  });
}

async function remove(options: ServerPathsOptions, exchange: Exchange): Promise<void> {
  const { added, fleet, clock, status, config } = options;
  // Nothing is read from it; but what is sent is JSON, as with every call that changes something.
  await readJson(exchange, clock, MAX_BODY_BYTES);
  const wanted = restOf(exchange, SERVERS);
  const { servers } = status();
  const homeOf = (url: string) => fleet.addresses().find((one) => one.url === url)?.deviceId;
  const found = findAdded(wanted, added.servers(), servers, homeOf);
  if (!found.added) {
    if (found.known)
      throw bad(`${whyItStays(found.known.name, found.known.sources, config)}; nothing was removed`, 409);
    const names = servers.map(({ name }) => name).join(', ');
    throw new OllanaError(
      'OLLANA_NO_SERVER',
      `no server is called ${wanted.slice(0, 200)}: ${names === '' ? 'none is known' : `known are ${names}`}`,
      { status: 404 },
    );
  }
  const { url, name = found.known?.name ?? addressOf(url).shown } = found.added;
  const deviceId = homeOf(url);
  await added.remove(url);
  const left = fleet.addresses().filter((one) => one.url === url || (deviceId && one.deviceId === deviceId));
  const sources = [...new Set(left.flatMap((one) => one.sources))];
  answerJson(exchange, 200, {
    status: 'ok',
    removed: name,
    url,
    ...(sources.length > 0 && { still: sources, why: whyItStays(name, sources, config) }),
  });
}

async function sync(options: ServerPathsOptions, exchange: Exchange): Promise<void> {
  const { fleet, clock, seek, status } = options;
  await readJson(exchange, clock, MAX_BODY_BYTES);
  seek();
  fleet.refresh();
  await fleet.relist(SYNC_LIMIT_MS);
  answerJson(exchange, 200, summary(status()));
}

/** The report with the count that those who only want to know whether all is well look at. Pure. */
function summary(report: StatusReport): object {
  const healthy = report.servers.filter(({ verdict }) => verdict === 'reliable').length;
  return { status: 'ok', healthy, dead: report.servers.length - healthy, ...report };
}

/** What is known of the server at an address, which need not be the address in use. */
function serverAt(fleet: Fleet, { servers }: StatusReport, url: string): ServerStatus | undefined {
  const deviceId = fleet.addresses().find((address) => address.url === url)?.deviceId;
  return servers.find((server) => server.url === url || server.deviceId === deviceId);
}

/** Resolves when a change of the fleet has made `done` true, or after `limitMs`. */
async function changed(fleet: Fleet, clock: Clock, limitMs: number, done: () => boolean): Promise<void> {
  const over = new AbortController();
  const cancel = fleet.onChange(() => {
    if (done()) over.abort();
  });
  await sleep(clock, limitMs, over.signal);
  cancel();
}

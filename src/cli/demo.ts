import { sleep, systemClock } from '../clock.ts';
import type { ClientConfig } from '../config.ts';
import { startClient } from '../daemon/client.ts';
import type { Daemon } from '../daemon/daemon.ts';
import { DEMO_MODEL, type DemoFleet, startDemoFleet } from '../daemon/demo-fleet.ts';
import { runningDaemons, writeState } from '../daemon/state-file.ts';
import type { ServerStatus } from '../daemon/status.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import { sampleRequest } from './sample-request.ts';
import { plainText } from './text.ts';
import { untilTold } from './until-told.ts';

/** How many ports after the wanted one are tried. */
const PORTS_TO_TRY = 20;
/** Discovery takes some 10 ms on loopback; after this something keeps its datagrams away, ms. */
const FOUND_WITHIN_MS = 5000;
const LOOK_EVERY_MS = 100;

const say = (text = '') => void process.stdout.write(`${text}\n`);

/**
 * Runs client mode for real, with a fleet of simulated servers on loopback for it to find, sends one request
 * through it, and keeps running until told to end. Returns the exit code; rejects with the codes of
 * `startClient` and `startServer`.
 */
export async function runDemo(config: ClientConfig, log: Log): Promise<number> {
  say('ollana demo: client mode as on your laptop, and two SIMULATED GPU machines for it to find.');
  say();
  const client = await startOnFreePort(config, log);
  let fleet: DemoFleet | undefined;
  let forget = () => {};
  const over = new AbortController();
  try {
    const { startedAt } = client.status();
    const others = runningDaemons(config.dataDir).some((running) => running.mode === 'client');
    if (!others)
      forget = writeState(config.dataDir, { pid: process.pid, url: client.url, mode: 'client', startedAt });
    const ended = untilTold(client, log);
    fleet = await startDemoFleet(config, log);
    const ways = waysOf(config);
    if (ways.length > 0) say(`Asking the network for servers (${ways.join(', ')}) ...`);
    const shown = new Map<string, string>();
    await showServers(client, shown, ways.length > 0 ? FOUND_WITHIN_MS : 0, fleet.servers.length);
    if (shown.size < fleet.servers.length) sayNotFound(config, fleet.servers);
    else await sample(client);
    sayHowTo(client.url);
    void keepShowing(client, shown, over.signal);
    return await ended;
  } finally {
    over.abort();
    forget();
    await client.stop();
    await fleet?.[Symbol.asyncDispose]();
    say('ollana demo: ended.');
  }
}

async function startOnFreePort(config: ClientConfig, log: Log): Promise<Daemon> {
  for (let port = config.port; ; port += 1) {
    try {
      const client = await startClient({ ...config, port }, log);
      if (port !== config.port)
        say(`Port ${config.port} is taken by another program, so this demo is on ${port}.`);
      return client;
    } catch (error) {
      const taken = error instanceof OllanaError && error.code === 'OLLANA_PORT_IN_USE';
      if (!taken || config.port === 0 || port >= config.port + PORTS_TO_TRY) throw error;
    }
  }
}

/** Prints servers as they are found, until `count` are there or `limitMs` have passed. */
async function showServers(
  client: Daemon,
  shown: Map<string, string>,
  limitMs: number,
  count: number,
): Promise<void> {
  const deadline = systemClock.now() + limitMs;
  for (;;) {
    showChanges(client, shown);
    if (shown.size >= count || systemClock.now() >= deadline) return;
    await sleep(systemClock, LOOK_EVERY_MS);
  }
}

async function keepShowing(client: Daemon, shown: Map<string, string>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    showChanges(client, shown);
    await sleep(systemClock, 10 * LOOK_EVERY_MS, signal);
  }
}

function showChanges(client: Daemon, shown: Map<string, string>): void {
  const servers = client.status().servers.filter((server) => server.models.length > 0);
  for (const server of servers) {
    if (!shown.has(server.deviceId)) say(`  found ${describe(server)}`);
    shown.set(server.deviceId, server.name);
  }
  for (const [deviceId, name] of shown) {
    if (servers.some((server) => server.deviceId === deviceId)) continue;
    shown.delete(deviceId);
    say(`  lost  ${plainText(name)}`);
  }
}

function describe({ name, url, kind, models }: ServerStatus): string {
  const what = kind === 'local' ? "this machine's own Ollama" : plainText(name);
  const more = models.length > 3 ? `, and ${models.length - 3} more` : '';
  return `${what} at ${url.replace(/^https?:\/\//, '')}: ${models.slice(0, 3).map(plainText).join(', ')}${more}`;
}

async function sample(client: Daemon): Promise<void> {
  say();
  say(`One request for ${DEMO_MODEL}, as any Ollama client sends it:`);
  try {
    const { server, text, firstMs, totalMs, tokensPerSecond } = await sampleRequest(client.url, DEMO_MODEL);
    say(`  ${plainText(text)}`);
    const speed = tokensPerSecond === undefined ? '' : `, ${tokensPerSecond.toFixed(0)} tokens/s`;
    say(
      `  answered by ${plainText(server)}: first token after ${firstMs.toFixed(0)} ms, all after ${totalMs.toFixed(0)} ms${speed}`,
    );
  } catch (error) {
    say(`  failed: ${plainText(reasonOf(error))}`);
  }
}

/** How servers are looked for that nobody names. */
function waysOf({ udp, mdns, discoveryPort }: ClientConfig): readonly string[] {
  return [...(udp ? [`UDP ${discoveryPort}`] : []), ...(mdns ? ['mDNS'] : [])];
}

function sayNotFound(config: ClientConfig, servers: readonly Daemon[]): void {
  const ways = waysOf(config);
  const only = config.interfaces.length > 0 ? `, or does --interface leave loopback out` : '';
  say(
    ways.length > 0
      ? `  Not all simulated servers were found: does a firewall drop ${ways.join(' and ')} on loopback${only}?`
      : '  Discovery is switched off (--no-udp, --no-mdns), so the simulated servers are not found.',
  );
  say('  They are used when they are named, in another terminal:');
  for (const { url } of servers) say(`    ollana add ${url}`);
}

function sayHowTo(url: string): void {
  const body = `{"model":"${DEMO_MODEL}","messages":[{"role":"user","content":"Hello"}]}`;
  say();
  say('Try it yourself, in another terminal:');
  say(`  curl ${url}/api/chat -d '${body}'`);
  say(`  OLLAMA_HOST=${url.replace('http://', '')} ollama run ${DEMO_MODEL} Hello`);
  say();
  say('Real servers are used as soon as they are found: run `ollana serve` on a GPU machine.');
  say('Ctrl-C ends everything.');
}

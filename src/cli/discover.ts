import { networkInterfaces } from 'node:os';
import { sleep, systemClock } from '../clock.ts';
import { type CommonConfig, DEFAULTS } from '../config.ts';
import { type AroundEvent, ListenAround } from '../daemon/listen-around.ts';
import { ownDialer } from '../daemon/own-dialer.ts';
import { Neighbourhood } from '../discovery/mdns-near.ts';
import { OllanaError } from '../errors.ts';
import { shownIdsIfAny } from '../security/shown-id.ts';
import { firewallText } from './discover-explain.ts';
import { discoverTable, eventLine, listened, reportOf } from './discover-table.ts';
import { EXIT } from './exit-codes.ts';
import { safeJson } from './safe-json.ts';
import { stayAwake } from './stay-awake.ts';

/** What is to be done. */
export interface DiscoverOrder {
  readonly config: CommonConfig;
  /** Where the list of paired devices is; undefined: there is no such place. */
  readonly dataDir: string | undefined;
  /** How long to listen; absent: 3 s, or with `watch` until told to end. */
  readonly seconds: number | undefined;
  /** A line for every change. */
  readonly watch: boolean;
  readonly json: boolean;
  /** Prints what a firewall must allow, and does nothing else. */
  readonly explain: boolean;
}

/** Clients on Wi-Fi are heard in the second round at the latest, and people wait this long. */
const DEFAULT_SECONDS = 3;
/** What was heard last is still asked who it is, ms. */
const SETTLE_MS = 1500;
const REDRAW_MS = 250;

/**
 * Listens to the network in this process and prints what is heard: a table or one JSON document at the end, or, to
 * watch, a line for every change. Returns the exit code: 0 when a usable server was found, else 1. Throws
 * OLLANA_BAD_OPTION when all sources are off, and OLLANA_UNREADABLE_FILE.
 */
export async function discover({
  config,
  dataDir,
  seconds,
  watch,
  json,
  explain,
}: DiscoverOrder): Promise<number> {
  if (explain) {
    process.stdout.write(firewallText({ discovery: config.discoveryPort, http: DEFAULTS.port }));
    return EXIT.ok;
  }
  const sources = sourceNames(config);
  if (sources.length === 0)
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      'discovery is switched off and no server is named: leave out --no-udp or --no-mdns, or give --server URL',
    );
  const where = { interfaces: interfaceNames(config), sources };
  const own = ownDialer({
    dataDir,
    requirePairing: config.requirePairing,
    exempt: config.ollama,
    clock: systemClock,
  });
  const told = untilToldOrGone();
  const awake = stayAwake();
  let found = false;
  const around = new ListenAround({
    config,
    clock: systemClock,
    dialer: own.dialer,
    shownIds: dataDir === undefined ? undefined : shownIdsIfAny(dataDir),
    onEvent: (event) => {
      found ||= event.type === 'usable';
      if (watch) process.stdout.write(json ? jsonLine(event) : `${eventLine(event)}\n`);
    },
  });
  try {
    if (watch && !json) process.stdout.write(`Listening ${listened(where)}; Ctrl-C ends it.\n`);
    await around.start();
    if (watch) {
      await (seconds === undefined ? told.ended : sleep(systemClock, seconds * 1000, told.signal));
      return found ? EXIT.ok : EXIT.failed;
    }
    const listenMs = (seconds ?? DEFAULT_SECONDS) * 1000;
    await showProgress(around, listenMs, told.signal);
    if (!told.signal.aborted) await around.settled(SETTLE_MS);
    const report = reportOf({
      seconds: listenMs / 1000,
      ...where,
      servers: around.servers(),
      pairing: own.dialer.closed ? 'required' : 'open',
      trouble: around.troubles(),
    });
    process.stdout.write(json ? `${safeJson(report)}\n` : discoverTable(report));
    return report.usable > 0 ? EXIT.ok : EXIT.failed;
  } finally {
    await around[Symbol.asyncDispose]();
    own[Symbol.dispose]();
    awake();
    told.forget();
  }
}

/** Waits, and on a terminal says so on stderr, so that stdout holds the answer alone. */
async function showProgress(around: ListenAround, ms: number, signal: AbortSignal): Promise<void> {
  const { stderr } = process;
  if (stderr.isTTY !== true) return sleep(systemClock, ms, signal);
  const end = systemClock.now() + ms;
  const draw = () => {
    const left = Math.ceil(Math.max(0, end - systemClock.now()) / 1000);
    stderr.write(`\r\u001b[KListening, ${left} s left, ${around.size} heard ...`);
  };
  draw();
  const stop = systemClock.every(REDRAW_MS, draw);
  await sleep(systemClock, ms, signal);
  stop();
  stderr.write('\r\u001b[K');
}

/** Ends by Ctrl-C or SIGTERM (a second one ends the process at once), or when nobody reads any more. */
function untilToldOrGone() {
  const over = new AbortController();
  const end = () => {
    forget();
    over.abort();
  };
  const forget = () => {
    process.off('SIGINT', end).off('SIGTERM', end);
    process.stdout.off('error', end);
  };
  const ended = new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve()));
  process.on('SIGINT', end).on('SIGTERM', end);
  process.stdout.on('error', end);
  return { signal: over.signal, ended, forget };
}

function jsonLine(event: AroundEvent): string {
  const { at, ...rest } = event;
  return `${safeJson({ at: new Date(at).toISOString(), ...rest }, 0)}\n`;
}

function sourceNames({ udp, mdns, discoveryPort, discover = [], serverFile, servers }: CommonConfig) {
  return [
    ...(udp ? [`UDP ${discoveryPort}`] : []),
    ...(mdns ? ['mDNS'] : []),
    ...discover,
    ...(serverFile === undefined ? [] : [serverFile]),
    ...(servers.length > 0 ? [`${servers.length} by --server`] : []),
  ];
}

/** None where neither UDP nor mDNS is used: what is named may be anywhere. */
function interfaceNames({ udp, mdns, interfaces }: CommonConfig): readonly string[] {
  return udp || mdns ? [...new Neighbourhood(networkInterfaces(), interfaces).addresses.keys()] : [];
}

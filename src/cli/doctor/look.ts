import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { systemClock } from '../../clock.ts';
import type { Told } from '../../config/file.ts';
import { VERSION } from '../../config/version.ts';
import { type Link, usableLinks } from '../../discovery/interfaces.ts';
import { loopTest } from '../../discovery/loop-test.ts';
import { modelsDir } from '../../server/model-disk.ts';
import { judgeFirewall } from './firewall.ts';
import { judgeHeard } from './heard.ts';
import { lookAtConfig, lookAtDevices, lookAtDirectory, lookAtDisk } from './look-files.ts';
import { lookAtFirewall } from './look-firewall.ts';
import { lookAtOllama } from './look-ollama.ts';
import { type DaemonFacts, lookAtDaemon, lookAtPeers } from './look-peers.ts';
import { lookAtTcp, lookAtUdp } from './look-ports.ts';
import { judgeDataDisk, judgeDirectory, judgeModelDisk, judgeNode } from './machine.ts';
import { judgeBinding, judgeOllama, judgeSettings } from './ollama.ts';
import { judgeClock, judgeHealth, judgePairing, judgeVersions } from './peers.ts';
import { judgePort } from './ports.ts';
import { judgeConfig, judgeInterfaces, judgeProxy, type NetworkFacts } from './surroundings.ts';
import type { Verdict } from './verdict.ts';

/** What mDNS is on, wherever it is. */
const MDNS_PORT = 5353;

/** All verdicts, in the order in which one problem explains the next, and what else a report is made of. */
export interface Examined {
  readonly verdicts: readonly Verdict[];
  readonly daemon: DaemonFacts;
  readonly networks: readonly NetworkFacts[];
}

/**
 * Looks at everything that keeps ollana from working here, within some 2 s; speaks only on the interfaces that discovery may use.
 * Throws OLLANA_BAD_OPTION for what was typed.
 */
export async function examine(told: Told): Promise<Examined> {
  const { path, exists, mistakes, config } = lookAtConfig(told);
  const { env, platform, uid, homedir } = told;
  const { dataDir, discoveryPort, interfaces: only } = config;
  const daemon = await lookAtDaemon(dataDir);
  const serves = daemon.status?.mode === 'server';
  const links = usableLinks(networkInterfaces(), only);
  const lan = [...new Set(links.filter(({ internal }) => !internal).map((link) => link.interface))];
  // The ports before anything of ours is on them.
  const [http, discovery, mdns] = await Promise.all([
    lookAtTcp(config.host, config.port),
    lookAtUdp(discoveryPort),
    lookAtUdp(MDNS_PORT),
  ]);
  const [ollama, firewall, heard, peers, dataDisk] = await Promise.all([
    lookAtOllama(config.ollama, platform),
    lookAtFirewall(platform, env, lan),
    loopTest({
      // Loopback only where it is all that may be used.
      links: lan.length > 0 ? links.filter(({ internal }) => !internal) : links,
      port: discoveryPort,
      nonce: randomBytes(8).toString('hex'),
      broadcast: config.udp,
      multicast: config.mdns,
      clock: systemClock,
    }),
    lookAtPeers(daemon, systemClock.wall),
    lookAtDisk(dataDir),
  ]);
  const facts = { ...ollama, serves, ownHost: env.OLLAMA_HOST };
  const models =
    ollama.answer === 'ollama' ? await lookAtDisk(modelsDir(ollama.environment, homedir)) : undefined;
  const networks = networksOf(links);
  const verdicts = [
    judgeNode(process.version),
    judgeConfig(path, exists, mistakes),
    judgeDirectory(lookAtDirectory(dataDir, uid)),
    judgeDataDisk(dataDisk),
    judgePort('http', http, platform),
    judgePort('discovery', discovery, platform),
    judgePort('mdns', mdns, platform),
    judgeOllama(facts),
    judgeBinding(facts),
    ...judgeSettings(facts),
    judgeModelDisk(models),
    judgeProxy(env, networks, platform),
    judgeInterfaces(networks, networksOf(usableLinks(networkInterfaces(), [])), only),
    judgeFirewall(firewall, { discovery: discoveryPort, http: serves ? config.port : undefined }),
    judgeHeard('broadcast', heard, config.udp, discoveryPort),
    judgeHeard('multicast', heard, config.mdns, discoveryPort),
    judgeClock(peers),
    judgeVersions(VERSION, peers),
    judgePairing({ status: daemon.status, ...lookAtDevices(dataDir) }),
    ...judgeHealth(daemon.health),
  ];
  return { verdicts, daemon, networks };
}

function networksOf(links: readonly Link[]): readonly NetworkFacts[] {
  return links.map(({ interface: name, address, prefix, internal }) => ({
    interface: name,
    cidr: `${address}/${prefix}`,
    isLoopback: internal,
  }));
}

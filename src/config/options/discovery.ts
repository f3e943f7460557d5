import { option, RUNNING } from '../option.ts';
import { parseInterface, parsePort, parseSwitch } from '../values.ts';

/** How servers and clients find each other. */
export const DISCOVERY_OPTIONS = Object.freeze({
  discoveryPort: option({
    flag: 'discovery-port',
    env: 'OLLANA_DISCOVERY_PORT',
    kind: 'value',
    hint: 'N',
    parse: (text) => parsePort(text),
    fallback: '11436',
    help: 'UDP port of discovery; the same on all machines',
    commands: RUNNING,
  }),
  interfaces: option({
    flag: 'interface',
    env: 'OLLANA_INTERFACE',
    kind: 'list',
    hint: 'NAME',
    parse: parseInterface,
    fallbackHelp: 'all',
    help: 'network interface that discovery may use; lo alone stays on this machine',
    commands: RUNNING,
  }),
  udp: option({
    flag: 'udp',
    env: 'OLLANA_UDP',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'true',
    help: 'no discovery by UDP broadcast',
    commands: RUNNING,
  }),
  mdns: option({
    flag: 'mdns',
    env: 'OLLANA_MDNS',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'true',
    help: 'no discovery by mDNS',
    commands: RUNNING,
  }),
});

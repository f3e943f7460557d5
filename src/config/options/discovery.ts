import { parseDiscover } from '../discover.ts';
import { LISTENING, option } from '../option.ts';
import { asTyped, parseInterface, parsePort, parseSwitch } from '../values.ts';

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
    commands: [...LISTENING, 'doctor'],
  }),
  interfaces: option({
    flag: 'interface',
    env: 'OLLANA_INTERFACE',
    kind: 'list',
    hint: 'NAME',
    parse: parseInterface,
    fallbackHelp: 'all',
    help: 'network interface that discovery may use; lo alone stays on this machine',
    commands: [...LISTENING, 'doctor'],
  }),
  udp: option({
    flag: 'udp',
    env: 'OLLANA_UDP',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'true',
    help: 'no discovery by UDP broadcast',
    commands: [...LISTENING, 'doctor'],
  }),
  mdns: option({
    flag: 'mdns',
    env: 'OLLANA_MDNS',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'true',
    help: 'no discovery by mDNS',
    commands: [...LISTENING, 'doctor'],
  }),
  discover: option({
    flag: 'discover',
    env: 'OLLANA_DISCOVER',
    kind: 'list',
    hint: 'dns:NAME[@RESOLVER[:PORT]]',
    parse: asTyped(parseDiscover),
    help: 'find servers by the SRV or address records of a name, as Consul and Kubernetes have them; the name is whole, the resolver an address',
    commands: LISTENING,
  }),
});

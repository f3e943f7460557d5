import type { LoopResult } from '../../discovery/loop-test.ts';
import { kindOf } from './surroundings.ts';
import { judging, type Verdict } from './verdict.ts';

/** Networks where it is no fault that broadcast is not heard: tunnels carry none, and containers announce nothing. */
const mayBeDeaf = (name: string): boolean => kindOf(name) !== undefined;

/** Whether a way of discovery is really heard on each interface. Pure. */
export function judgeHeard(
  way: LoopResult['way'],
  results: readonly LoopResult[],
  isOn: boolean,
  port: number,
): Verdict {
  const { ok, problem } = judging(way, way === 'broadcast' ? 'Broadcast heard' : 'Multicast heard (mDNS)');
  if (!isOn) return ok(`${way === 'broadcast' ? '--no-udp' : '--no-mdns'} turned it off`);
  const all = results.filter((one) => one.way === way);
  const deaf = all.filter(({ heard, interface: name }) => !heard && !mayBeDeaf(name));
  const heard = all.filter((one) => one.heard).map((one) => `${one.interface} ${one.address}`);
  if (all.length === 0) return ok('no interface to try it on');
  if (deaf.length === 0)
    return ok(heard.join(', ') || 'only tunnels and containers are there, which carry none');
  const why = deaf.map(
    ({ interface: name, address, reason }) =>
      `${name} ${address}${reason === undefined ? '' : ` (${reason})`}`,
  );
  return problem(
    `what this machine says on ${why.join(', ')} is not heard by itself: a firewall, or the route is missing`,
    [
      ...remedies(way, deaf, port),
      '# without it: ollana --server http://ADDRESS:11435, or --discover dns:NAME',
    ],
  );
}

function remedies(way: LoopResult['way'], deaf: readonly LoopResult[], port: number): readonly string[] {
  const reasons = deaf.map(({ reason = '' }) => reason).join(' ');
  if (/EADDRINUSE/.test(reasons)) return ['# see the port above: who has it does not share it'];
  if (/ENETUNREACH|EADDRNOTAVAIL/.test(reasons)) return ['ip -4 route  # then: ip link set INTERFACE up'];
  if (/EPERM|EACCES/.test(reasons)) return ['sudo nft list ruleset  # a rule of the output chain drops it'];
  return way === 'broadcast'
    ? [`sudo nft list ruleset  # UDP ${port} has to pass in and out`, 'ollana discover --explain']
    : [
        'sudo nft list ruleset  # UDP 5353 to 224.0.0.251 has to pass in and out',
        'ollana discover --explain',
      ];
}

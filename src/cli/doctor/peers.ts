import type { StatusReport } from '../../daemon/status.ts';
import type { HealthReport } from '../../observe/health/report.ts';
import { judging, type Verdict } from './verdict.ts';

/** What a server said when it was asked who it is. */
export interface PeerFacts {
  readonly name: string;
  readonly kind: string;
  /** Of its ollana; absent: it has none, or did not say. */
  readonly ollana?: string;
  /** Its clock less ours, ms, by the Date of its answer, which counts whole seconds. */
  readonly aheadMs?: number;
}

/** Clocks that differ by less are no trouble, ms: as `ollana health` has it. */
const MOST_APART_MS = 120_000;

/** Whether this machine's clock agrees with those of the servers. Pure. */
export function judgeClock(peers: readonly PeerFacts[]): Verdict {
  const { ok, problem, unknown } = judging('clock', 'Clock');
  const told = peers.flatMap(({ name, aheadMs }) => (aheadMs === undefined ? [] : [{ name, aheadMs }]));
  if (told.length === 0) return unknown('no server is there to compare with', ['timedatectl status']);
  const wrong = told.filter(({ aheadMs }) => Math.abs(aheadMs) > MOST_APART_MS);
  const [first] = wrong;
  if (!first) return ok(`within 2 minutes of ${told.length === 1 ? 'one server' : `${told.length} servers`}`);
  const apart = `${Math.round(Math.abs(first.aheadMs) / 60_000)} min ${first.aheadMs > 0 ? 'ahead of' : 'behind'}`;
  const isOurs = wrong.length === told.length;
  return problem(
    `${first.name} is ${apart} this machine${isOurs && told.length > 1 ? ', and so are all others' : ''}`,
    [`sudo timedatectl set-ntp true  # ${isOurs ? 'here; if it is right here, there' : `on ${first.name}`}`],
  );
}

/** Whether all ollanas speak alike: those of one major and minor version do. Pure. */
export function judgeVersions(own: string, peers: readonly PeerFacts[]): Verdict {
  const { ok, problem } = judging('versions', 'Versions of ollana');
  const others = peers.flatMap(({ name, ollana }) => (ollana === undefined ? [] : [{ name, ollana }]));
  const isOther = ({ ollana }: { ollana: string }) => release(ollana) !== release(own);
  const apart = others.filter(isOther);
  if (others.length === 0) return ok(`${own} here; no other is known`);
  if (apart.length === 0) return ok(`${own} here, and alike on ${others.length} more`);
  const named = apart.map(({ name, ollana }) => `${ollana} on ${name}`).join(', ');
  return problem(`${own} here, but ${named}: what only the newer one can is not used`, [
    'npm install -g ollana@latest  # on each that is older',
  ]);
}

/** Major and minor version. */
const release = (version: string): string => version.split('.').slice(0, 2).join('.');

/** What is known of who may use whom. */
export interface PairingFacts {
  /** Absent: no daemon runs. */
  readonly status?: StatusReport | undefined;
  /** Devices that are allowed by the list in the data directory. */
  readonly allowed: number;
  /** Why that list cannot be read. */
  readonly broken?: string;
}

/** Whether servers are left out because they are not paired. Pure. */
export function judgePairing({ status, allowed, broken }: PairingFacts): Verdict {
  const { ok, problem } = judging('pairing', 'Pairing');
  if (broken !== undefined)
    return problem(`the list of devices cannot be read (${broken}), so nobody is let in`, [
      'ollana device list',
    ]);
  const out = (status?.servers ?? []).filter(({ notPaired }) => notPaired);
  const [first] = out;
  if (first)
    return problem(`not paired, so not used: ${out.map(({ name }) => name).join(', ')}`, [
      'ollana device pair  # there, it shows a code',
      `ollana device pair ${quoted(first.name)}  # here`,
    ]);
  const devices = allowed === 1 ? '1 device is allowed' : `${allowed} devices are allowed`;
  if (status?.pairing === 'required' || allowed > 0) return ok(`required; ${devices}`);
  return ok('open: everybody on the network is let in and used');
}

/** What a running daemon finds wrong itself. Pure. */
export function judgeHealth(health: HealthReport | undefined): readonly Verdict[] {
  const { ok, problem } = judging('health', 'Running ollana');
  if (!health) return [ok('none is running here; start one with `ollana` or `ollana serve`')];
  const bad = health.problems.filter(({ severity }) => severity !== 'info');
  if (bad.length === 0) return [ok(`health ${health.score} of 100`)];
  return bad.map(({ title, seen, remedy }) =>
    problem(`${title}; ${seen}`, [`${remedy.command}${remedy.on === null ? '' : `  # on ${remedy.on}`}`]),
  );
}

const quoted = (name: string): string =>
  /^[\w.:@/+][\w.:@/+-]*$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`;

/** A packet that wants in: what ollana needs others to be able to send here. */
export interface Wanted {
  readonly protocol: 'udp' | 'tcp';
  /** `dport`: to this port; `sport`: from it. */
  readonly side: 'dport' | 'sport';
  readonly port: number;
}

/** What a set of rules does to a packet; `unknown`: it depends on what is not understood here. */
export type Passing = 'open' | 'closed' | 'unknown';

/** Which chain closes it. */
export interface NftVerdict {
  readonly passing: Passing;
  readonly chain?: { readonly family: string; readonly table: string; readonly name: string };
}

type Json = Readonly<Record<string, unknown>>;

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
  readonly rules: (readonly Json[])[];
}

type End = 'accept' | 'drop' | 'return' | 'unknown' | undefined;

/** Chains that jump to chains: no rule set nests deeper, the kernel allows 16. */
const DEEPEST = 16;

/**
 * What the rules of `nft -j list ruleset` do to a new packet from another machine of the network that comes by one of
 * these interfaces. Rules on what is not looked at here, such as addresses, are taken for ones that do not apply, but a
 * rule that would let it pass makes the answer `unknown` then. Pure.
 */
export function passesNft(ruleset: unknown, wanted: Wanted, interfaces: readonly string[]): NftVerdict {
  const chains = chainsOf(ruleset);
  const inputs = chains.filter((chain) => chain.hook === 'input' && ['ip', 'inet'].includes(chain.family));
  let passing: Passing = 'open';
  for (const input of inputs) {
    const end = run(input, { chains, wanted, interfaces }, 0) ?? input.policy ?? 'accept';
    const { family, table, name } = input;
    // Every base chain has to let it pass.
    if (end === 'drop') return { passing: 'closed', chain: { family, table, name } };
    if (end === 'unknown') passing = 'unknown';
  }
  return { passing };
}

interface Run {
  readonly chains: readonly Chain[];
  readonly wanted: Wanted;
  readonly interfaces: readonly string[];
}

/** The end of a packet in a chain; undefined: the chain ends without a word. */
function run(chain: Chain, state: Run, depth: number): End {
  let maybe = false;
  for (const rule of chain.rules) {
    const matches = rule.map((part) => matchOf(part, state));
    if (matches.includes(false)) continue;
    const isSure = !matches.includes(undefined);
    for (const part of rule) {
      const end = endOf(part, state, depth);
      if (end === undefined) continue;
      if (end === 'return' && isSure) return maybe ? 'unknown' : undefined;
      if (isSure) return maybe && end === 'drop' ? 'unknown' : end;
      if (end !== 'drop') maybe = true;
    }
  }
  return maybe && chain.policy !== 'accept' ? 'unknown' : undefined;
}

function endOf(part: Json, state: Run, depth: number): End {
  if ('accept' in part) return 'accept';
  if ('drop' in part || 'reject' in part) return 'drop';
  if ('return' in part) return 'return';
  const { target } = (part.jump ?? part.goto ?? {}) as { target?: string };
  const next = state.chains.find(({ name }) => name === target);
  return next && depth < DEEPEST ? run(next, state, depth + 1) : undefined;
}

/** Whether the packet is what a rule is about; undefined: not understood. */
function matchOf(part: Json, { wanted, interfaces }: Run): boolean | undefined {
  // Matches of iptables' own that nft cannot name.
  if ('xt' in part || 'vmap' in part) return undefined;
  const match = part.match as { op?: string; left?: Json; right?: unknown } | undefined;
  if (!match) return true;
  const { op, left = {}, right } = match;
  const is = (found: boolean | undefined) => (op === '!=' && found !== undefined ? !found : found);
  const payload = left.payload as { protocol?: string; field?: string } | undefined;
  const meta = left.meta as { key?: string } | undefined;
  // A new packet: what is for those that belong to a connection is not for it.
  if (left.ct) return (left.ct as { key?: string }).key === 'state' ? is(holds(right, 'new')) : undefined;
  if (meta?.key === 'l4proto') return is(holds(right, wanted.protocol));
  if (payload?.field === 'protocol') return is(holds(right, wanted.protocol));
  if (meta?.key === 'iif' || meta?.key === 'iifname')
    return is(interfaces.some((name) => holds(right, name)));
  if (payload?.field === 'dport' || payload?.field === 'sport') {
    if (payload.protocol !== wanted.protocol && payload.protocol !== 'th') return false;
    // Of the other port nothing is known.
    return payload.field === wanted.side ? is(holds(right, wanted.port)) : false;
  }
  return undefined;
}

/** Whether a value, range or set holds something; undefined for a set that is kept elsewhere. */
function holds(right: unknown, value: string | number): boolean | undefined {
  if (Array.isArray(right)) return right.some((one) => holds(one, value));
  if (typeof right === 'string' && right.startsWith('@')) return undefined;
  if (typeof right === 'string' && right.endsWith('*')) return String(value).startsWith(right.slice(0, -1));
  const { set, range } = (right ?? {}) as { set?: unknown; range?: readonly unknown[] };
  if (set !== undefined) return holds(set, value);
  if (range) return Number(range[0]) <= Number(value) && Number(value) <= Number(range[1]);
  return right === value;
}

function chainsOf(ruleset: unknown): readonly Chain[] {
  const list = (ruleset as { nftables?: unknown } | null)?.nftables;
  const all = Array.isArray(list) ? (list as readonly Json[]) : [];
  const chains = all.flatMap(({ chain }) => (chain ? [{ ...(chain as Chain), rules: [] } as Chain] : []));
  for (const { rule } of all) {
    const { family, table, chain, expr } = (rule ?? {}) as Readonly<Record<string, unknown>>;
    const home = chains.find((one) => one.family === family && one.table === table && one.name === chain);
    if (home && Array.isArray(expr)) home.rules.push(expr as readonly Json[]);
  }
  return chains;
}

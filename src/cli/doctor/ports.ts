import { judging, type Verdict } from './verdict.ts';

/** What became of opening a port for a moment. */
export interface PortFacts {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** `shared`: others have it, too, and let us have it as well. */
  readonly state: 'free' | 'shared' | 'taken' | 'refused';
  /** Who has it, in words; undefined: nobody, or the system does not tell. */
  readonly holder?: string | undefined;
  /** Held by an ollana, whosever. */
  readonly isOllana: boolean;
  /** Why it was refused. */
  readonly reason?: string;
}

/** What a port is for, and the option that names another. */
const USES: Readonly<Record<string, { readonly use: string; readonly instead: string }>> = {
  http: { use: 'requests', instead: '--port N' },
  discovery: { use: 'discovery by broadcast', instead: '--discovery-port N on all machines' },
  mdns: { use: 'discovery by mDNS', instead: '--no-mdns' },
};

/** Whether ollana can have a port, and who has it else. Pure. */
export function judgePort(kind: 'http' | 'discovery' | 'mdns', facts: PortFacts, platform: string): Verdict {
  const { protocol, port, state, holder, isOllana, reason } = facts;
  const { use = '', instead = '' } = USES[kind] ?? {};
  const { ok, problem } = judging(`port-${kind}`, `Port ${port} (${protocol.toUpperCase()}, ${use})`);
  const by = holder === undefined ? '' : ` by ${holder}`;
  if (state === 'free') return ok('free');
  if (state === 'shared') return ok(holder === undefined ? 'free' : `shared with ${holder}`);
  if (state === 'refused')
    return problem(`cannot be opened (${reason ?? 'no reason given'})`, [`# give ${instead}`]);
  if (isOllana) return ok(`in use${by}`);
  return problem(`in use${by}`, [
    ...(holder === undefined ? [whoCommand(protocol, port, platform)] : []),
    `# stop that program, or give ${instead}`,
  ]);
}

function whoCommand(protocol: 'tcp' | 'udp', port: number, platform: string): string {
  if (platform === 'win32') return `netstat -ano -p ${protocol} | findstr :${port}`;
  if (platform === 'darwin')
    return protocol === 'tcp' ? `sudo lsof -nP -iTCP:${port} -sTCP:LISTEN` : `sudo lsof -nP -iUDP:${port}`;
  return `sudo ss -${protocol === 'tcp' ? 't' : 'u'}lnp 'sport = :${port}'`;
}

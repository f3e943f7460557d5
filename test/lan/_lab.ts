import { cleanEnvironment } from '../_daemon.ts';
import { within } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import { Capture } from './_capture.ts';
import { HttpAgent, type HttpInit, type HttpResult } from './_http.ts';
import { Namespace, namespacesUnavailable } from './_namespaces.ts';

/** Why no LAN lab can be built here, or `undefined` when one can. */
export function labAvailable(): string | undefined {
  return namespacesUnavailable();
}

export interface LabOptions {
  /** Names of the hosts; the n-th gets 10.77.0.n/24 on its `eth0`. At most 200. */
  readonly hosts: readonly string[];
  /** Sends what no route fits to `eth0`, as on a machine with a router. Without it 255.255.255.255 has no route. */
  readonly defaultRoute?: boolean;
  /** The n-th host gets fe80::n on its `eth0`, and no IPv4 but on loopback; not with `defaultRoute`. */
  readonly ipv6Only?: boolean;
}

export interface SpawnOptions {
  /** Added to the caller's environment, from which ollana's and Ollama's variables are removed. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** The subnet of the first network; a second one is 10.78.0.0/24, and so on. */
const FIRST_NETWORK = 77;

/** One machine of the lab: a network namespace with a cable to the switch. */
export class LabHost {
  readonly name: string;
  readonly namespace: Namespace;
  /** Its address on each network, in the order they were made; `eth0`, `eth1`, ... */
  readonly ips: string[] = [];
  readonly #switch: Namespace;
  readonly #index: number;
  readonly #started = new Set<TestProcess>();
  #agent: HttpAgent | undefined;

  constructor(name: string, index: number, namespace: Namespace, wires: Namespace) {
    this.name = name;
    this.namespace = namespace;
    this.#switch = wires;
    this.#index = index;
  }

  /** Its address on the first network. */
  get ip(): string {
    return this.ips[0] ?? '';
  }

  /** Starts a command on this host; killed when the lab is disposed. */
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): TestProcess {
    const { env, ...rest } = options;
    return this.#track(this.namespace.spawn(command, args, { env: cleanEnvironment(env), ...rest }));
  }

  /** Starts `node ARGS` on this host: a script's path and its arguments, or `--import tsx FILE.ts`. */
  node(args: readonly string[], options: SpawnOptions = {}): TestProcess {
    return this.spawn(process.execPath, args, options);
  }

  /** Runs a command on this host to its end; never rejects for its exit code. */
  async exec(
    command: string,
    args: readonly string[] = [],
    options: SpawnOptions & { readonly input?: string; readonly timeoutMs?: number } = {},
  ): Promise<{ stdout: string; stderr: string; code: number | null }> {
    const { input, timeoutMs = 30_000, ...rest } = options;
    await using process = this.spawn(command, args, rest);
    process.child.stdin?.end(input);
    const { code } = await within(
      timeoutMs,
      `end of ${command} ${args.join(' ')} on ${this.name}`,
      process.exited,
    );
    return { stdout: process.stdout, stderr: process.stderr, code };
  }

  /** An HTTP request from this host; the times in the result were measured on it. */
  http(url: string, init?: HttpInit): Promise<HttpResult> {
    this.#agent ??= new HttpAgent((args) => this.node(args));
    return this.#agent.request(url, init);
  }

  /** Pulls the cable of the `network`-th network (0 = the first): both ends lose the carrier, addresses stay. */
  linkDown(network = 0): Promise<void> {
    return ip(this.#switch, [`link set ${port(this.#index, network)} down`]);
  }

  /** Plugs the cable in again. */
  linkUp(network = 0): Promise<void> {
    return ip(this.#switch, [`link set ${port(this.#index, network)} up`]);
  }

  /** Gives this host's interface another address, as a DHCP server might. */
  async changeAddress(address: string, network = 0): Promise<void> {
    await ip(this.namespace, [
      `addr flush dev eth${network}`,
      `addr add ${address}/24 brd + dev eth${network}`,
    ]);
    this.ips[network] = address;
  }

  /** All its addresses, of both families, as captures write them. */
  async addresses(): Promise<ReadonlySet<string>> {
    const { stdout } = await this.exec('ip', ['-o', 'addr', 'show']);
    return new Set([...stdout.matchAll(/inet6? ([^\s/]+)/g)].map(([, address = '']) => expand(address)));
  }

  /** Changes its network by `ip` commands. */
  configure(commands: readonly string[]): Promise<void> {
    return ip(this.namespace, commands);
  }

  /** Captures what passes one of this host's interfaces; `any` for all, where loopback packets count twice. */
  capture(options: { readonly filter?: string; readonly interface?: string } = {}): Promise<Capture> {
    const { filter = '', interface: name = 'eth0' } = options;
    return Capture.start((command, args) => this.#track(this.namespace.spawnAsCaller(command, args)), {
      filter,
      interface: name,
    });
  }

  #track(started: TestProcess): TestProcess {
    this.#started.add(started);
    void started.exited.then(() => this.#started.delete(started));
    return started;
  }

  /** Kills what was started here, then the namespace is free to go. */
  async stop(): Promise<void> {
    await Promise.all([...this.#started].map((started) => started[Symbol.asyncDispose]()));
    await this.namespace[Symbol.asyncDispose]();
  }
}

/** Hosts on one switch, cut off from this machine's own network; disposal leaves nothing behind. */
export class Lab implements AsyncDisposable {
  readonly #hosts = new Map<string, LabHost>();
  readonly #switch: Namespace;
  #networks = 0;

  constructor(wires: Namespace) {
    this.#switch = wires;
  }

  host(name: string): LabHost {
    const host = this.#hosts.get(name);
    if (host === undefined)
      throw new Error(`the lab has no host ${name}, only ${[...this.#hosts.keys()].join(', ')}`);
    return host;
  }

  async addHost(name: string): Promise<LabHost> {
    const index = this.#hosts.size + 1;
    const host = new LabHost(name, index, await this.#switch.sibling(), this.#switch);
    this.#hosts.set(name, host);
    return host;
  }

  /** A further switch to which these hosts get a cable; they keep their number: 10.78.0.n/24 on `eth1`, and so on. */
  addSecondNetwork(hosts: readonly string[]): Promise<void> {
    return this.addNetwork(hosts);
  }

  async addNetwork(
    names: readonly string[],
    { defaultRoute = false, ipv6Only = false }: Omit<LabOptions, 'hosts'> = {},
  ): Promise<void> {
    const network = this.#networks;
    this.#networks += 1;
    const hosts = names.map((name) => this.host(name));
    const all = [...this.#hosts.values()];
    // Snooping off: nobody queries multicast groups here, and multicast is to reach everyone all the same.
    const wires = [`link add br${network} type bridge mcast_snooping 0`, `link set br${network} up`];
    for (const host of hosts) {
      const end = port(all.indexOf(host) + 1, network);
      wires.push(`link add ${end} type veth peer name eth${network} netns ${host.namespace.pid}`);
      wires.push(`link set ${end} master br${network} up`);
    }
    await ip(this.#switch, wires);
    await Promise.all(
      hosts.map(async (host) => {
        const number = all.indexOf(host) + 1;
        const address = ipv6Only
          ? `fe80::${number.toString(16)}`
          : `10.${FIRST_NETWORK + network}.0.${number}`;
        // Without the second in which the system looks whether somebody else has the address.
        const added = ipv6Only
          ? `${address}/64 dev eth${network} nodad`
          : `${address}/24 brd + dev eth${network}`;
        const own = [`addr add ${added}`, `link set eth${network} up`];
        if (ipv6Only) own.unshift(`link set eth${network} addrgenmode none`);
        if (defaultRoute) own.push(`route add default dev eth${network}`);
        await ip(host.namespace, own);
        host.ips[network] = address;
      }),
    );
  }

  /** Captures what passes the switch of the `network`-th network, each packet once, whoever it is for. */
  capture(options: { readonly filter?: string; readonly network?: number } = {}): Promise<Capture> {
    const { filter = '', network = 0 } = options;
    return Capture.start((command, args) => this.#switch.spawnAsCaller(command, args), {
      filter,
      interface: `br${network}`,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#hosts.values()].map((host) => host.stop()));
    await this.#switch[Symbol.asyncDispose]();
  }
}

/**
 * Builds hosts on one switch in namespaces of their own, in about 100 ms. Needs no rights (`unshare -r`), and
 * nothing that is sent in it can leave it. Throws where `labAvailable()` names a reason.
 */
export async function createLab(options: LabOptions): Promise<Lab> {
  const lab = new Lab(await Namespace.create());
  try {
    for (const name of options.hosts) await lab.addHost(name);
    await lab.addNetwork(options.hosts, options);
    return lab;
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}

/** IPv6 in eight groups of four digits; IPv4 as it is. */
function expand(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':') : []);
  const zeros = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array.from({ length: zeros }, () => '0'), ...groups(tail)];
  return all.map((group) => group.padStart(4, '0')).join(':');
}

/** The switch's end of a host's cable. */
function port(host: number, network: number): string {
  return `port${host}n${network}`;
}

/** Runs `ip` commands in a namespace; rejects with what `ip` says of the one that failed. */
async function ip(namespace: Namespace, commands: readonly string[]): Promise<void> {
  await using process = namespace.spawn('ip', ['-batch', '-']);
  process.child.stdin?.end(`${commands.join('\n')}\n`);
  const { code } = await within(10_000, `end of ip ${commands[0]}`, process.exited);
  if (code !== 0) throw new Error(`ip: ${process.output.trim()} (of: ${commands.join('; ')})`);
}

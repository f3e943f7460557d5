import { spawnSync } from 'node:child_process';
import { TestProcess } from '../_process.ts';

/** As the namespace's own root, with private mounts: no right on this machine is needed, and nothing of it is touched. */
const UNPRIVILEGED = ['-r', '-n', '-m'];
/** For a root whose kernel refuses user namespaces. */
const AS_ROOT = ['-n', '-m'];
/** Killed with the test runner, even when that is killed itself: a process left behind would keep its namespace. */
const DIES_WITH_PARENT = ['setpriv', '--pdeathsig', 'KILL', '--'];

interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

function unshareFlags(): readonly string[] | undefined {
  const candidates = process.getuid?.() === 0 ? [UNPRIVILEGED, AS_ROOT] : [UNPRIVILEGED];
  return candidates.find(
    (flags) =>
      spawnSync('unshare', [...flags, ...DIES_WITH_PARENT, 'true'], { stdio: 'ignore' }).status === 0,
  );
}

/** Why no network namespace can be made here, or `undefined` when one can. */
export function namespacesUnavailable(): string | undefined {
  if (process.platform !== 'linux')
    return `the LAN lab needs Linux network namespaces, this is ${process.platform}`;
  if (spawnSync('ip', ['-V'], { stdio: 'ignore' }).status !== 0)
    return 'the LAN lab needs the `ip` command (Debian: apt-get install iproute2)';
  if (unshareFlags() === undefined)
    return 'the LAN lab needs `unshare -r -n -m`, which this kernel or container refuses';
  return undefined;
}

/** A network namespace, kept by a sleeping process; gone when that process and all that was started in it are gone. */
export class Namespace implements AsyncDisposable {
  readonly #holder: TestProcess;
  readonly #user: readonly string[];

  private constructor(holder: TestProcess, user: readonly string[]) {
    this.#holder = holder;
    this.#user = user;
  }

  /** A namespace cut off from this machine's network, with `lo` up. */
  static async create(): Promise<Namespace> {
    const flags = unshareFlags();
    if (flags === undefined) throw new Error(namespacesUnavailable() ?? 'no network namespaces here');
    const holder = new TestProcess('unshare', [...flags, ...DIES_WITH_PARENT, ...HOLD]);
    await holder.waitFor(/ready/);
    return new Namespace(holder, flags.includes('-r') ? ['-U', '--preserve-credentials'] : []);
  }

  /** A further namespace under the same root, not connected to this one. */
  async sibling(): Promise<Namespace> {
    const holder = this.spawn('unshare', ['-n', ...HOLD]);
    await holder.waitFor(/ready/);
    return new Namespace(holder, this.#user);
  }

  /** The process id by which `ip link ... netns PID` names this namespace. */
  get pid(): number {
    return this.#holder.pid;
  }

  /** Starts a command in here. Its `child.pid` is the command's own, so signals reach it. */
  spawn(command: string, args: readonly string[], options: CommandOptions = {}): TestProcess {
    return this.#enter([...this.#user, '-n', '-m'], command, args, options);
  }

  /**
   * Starts a command in this network with the caller's own user, for one that insists on changing its user, which
   * the namespace's root cannot. Only root can do this.
   */
  spawnAsCaller(command: string, args: readonly string[]): TestProcess {
    return this.#enter(['-n'], command, args, {});
  }

  /** What a shell starts a command in here by, for whoever starts it itself. It becomes the command, same process. */
  line(command: string, args: readonly string[] = []): readonly string[] {
    return ['nsenter', ...this.#inside([...this.#user, '-n', '-m'], command, args)];
  }

  #enter(
    what: readonly string[],
    command: string,
    args: readonly string[],
    options: CommandOptions,
  ): TestProcess {
    // nsenter would start the command in the namespace's root directory; the caller's is what a test expects.
    const surroundings = { env: process.env, cwd: process.cwd(), ...options };
    return new TestProcess('nsenter', this.#inside(what, command, args), surroundings);
  }

  #inside(what: readonly string[], command: string, args: readonly string[]): readonly string[] {
    return ['-t', String(this.pid), ...what, '--', ...DIES_WITH_PARENT, command, ...args];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder[Symbol.asyncDispose]();
  }
}

/** Ends with its standard input, that is with the process that started it. */
const HOLD = ['sh', '-c', 'ip link set lo up && echo ready && exec cat'];

import type { Surroundings } from '../../config/surroundings.ts';
import { launchdPlan } from './launchd.ts';
import { systemdPlan } from './systemd.ts';
import { taskPlan } from './windows.ts';

/** Which service is meant. */
export interface ServiceSpec {
  readonly mode: 'client' | 'serve';
  /** Of this user's session; else of the machine. */
  readonly isUser: boolean;
  /** Node and the script of ollana, or its single executable: absolute paths. */
  readonly program: readonly string[];
  /** The account; on macOS that of a service of the machine, too. */
  readonly user: string;
  /** The unit that comes with ollana, for the machine's systemd. */
  readonly unit: string;
}

/** A command as words, run without a shell. */
export type Call = readonly [program: string, ...args: string[]];

/** Everything that is to be done with one service on one system. */
export interface ServicePlan {
  /** What the system's service manager calls it. */
  readonly name: string;
  readonly file: {
    readonly path: string;
    readonly text: string;
    /** schtasks reads nothing else. */
    readonly encoding: 'utf8' | 'utf16le';
  };
  /** After the file is written. */
  readonly install: readonly Call[];
  /** Before the file is removed, and after it. */
  readonly uninstall: readonly Call[];
  readonly afterwards: readonly Call[];
  readonly status: Call;
  readonly logs: Call;
  /** What the user may want to know, a line each. */
  readonly hints: readonly string[];
}

/** What is to be done on a system; undefined where there is no service manager that is known here. Pure. */
export function servicePlan(
  spec: ServiceSpec,
  here: Pick<Surroundings, 'platform' | 'homedir' | 'uid' | 'env'>,
): ServicePlan | undefined {
  if (here.platform === 'linux') return systemdPlan(spec, here);
  if (here.platform === 'darwin') return launchdPlan(spec, here);
  return here.platform === 'win32' ? taskPlan(spec, here) : undefined;
}

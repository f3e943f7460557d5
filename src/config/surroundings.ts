import { homedir, hostname } from 'node:os';

/** What a configuration depends on besides flags: the machine and the user's session, as one value. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  /** Absolute; empty when the user has none. */
  readonly homedir: string;
  readonly hostname: string;
  /** What relative paths are relative to. */
  readonly cwd: string;
  /** The user's numeric id; absent on Windows. */
  readonly uid?: number;
}

/** The real ones; the only reader of `process.env`. */
export function surroundings(): Surroundings {
  const uid = process.getuid?.();
  return {
    env: process.env,
    platform: process.platform,
    homedir: home(),
    hostname: hostname(),
    cwd: process.cwd(),
    ...(uid === undefined ? {} : { uid }),
  };
}

function home(): string {
  try {
    return homedir();
  } catch {
    // A user id without passwd entry (containers): --data-dir is then required, which resolveConfig says.
    return '';
  }
}

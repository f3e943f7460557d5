import { posix, win32 } from 'node:path';
import type { Surroundings } from './surroundings.ts';

/** The path rules of the machine the configuration is for, which in a test need not be this one. */
export const pathsOf = (platform: NodeJS.Platform): typeof posix => (platform === 'win32' ? win32 : posix);

/**
 * Where ollana keeps what outlives a run, when nobody said: systemd's state directory, else the platform's
 * place for a user's application data. Undefined when the user has no home.
 */
export function defaultDataDir({ env, platform, homedir }: Surroundings): string | undefined {
  const { join, isAbsolute } = pathsOf(platform);
  // systemd separates several directories with colons; the unit has one.
  const state = platform === 'linux' ? env.STATE_DIRECTORY?.split(':')[0] : undefined;
  if (state && isAbsolute(state)) return state;
  if (platform === 'win32' && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, 'ollana');
  // The XDG specification: a relative path there is invalid and ignored.
  if (platform === 'linux' && env.XDG_DATA_HOME && isAbsolute(env.XDG_DATA_HOME))
    return join(env.XDG_DATA_HOME, 'ollana');
  if (homedir === '') return undefined;
  if (platform === 'win32') return join(homedir, 'AppData', 'Local', 'ollana');
  if (platform === 'darwin') return join(homedir, 'Library', 'Application Support', 'ollana');
  return join(homedir, '.local', 'share', 'ollana');
}

/** Where a service's own settings are, and those of a user without a home. */
const SYSTEM_CONFIG = '/etc/ollana/config.toml';

/**
 * Where `config.toml` is looked for when nobody said, one place for each system: Linux the configuration directory of
 * systemd's service, else XDG's of the user; macOS and Windows beside the settings of other applications.
 */
export function defaultConfigFile({ env, platform, homedir }: Surroundings): string {
  const { join, isAbsolute } = pathsOf(platform);
  const service = platform === 'linux' ? env.CONFIGURATION_DIRECTORY?.split(':')[0] : undefined;
  if (service && isAbsolute(service)) return join(service, 'config.toml');
  if (platform === 'win32')
    return join(env.APPDATA || join(homedir, 'AppData', 'Roaming'), 'ollana', 'config.toml');
  if (platform === 'linux' && env.XDG_CONFIG_HOME && isAbsolute(env.XDG_CONFIG_HOME))
    return join(env.XDG_CONFIG_HOME, 'ollana', 'config.toml');
  if (homedir === '') return SYSTEM_CONFIG;
  if (platform === 'darwin') return join(homedir, 'Library', 'Application Support', 'ollana', 'config.toml');
  return join(homedir, '.config', 'ollana', 'config.toml');
}

/**
 * Where pid files go when nobody said: a directory that only this user can write (never /tmp) and that a
 * reboot empties, so that a stale file is rare; the data directory where the platform has no such thing.
 */
export function runtimeDir({ env, platform, uid }: Surroundings, dataDir: string): string {
  const { join, isAbsolute } = pathsOf(platform);
  if (platform !== 'linux') return dataDir;
  const own = env.RUNTIME_DIRECTORY?.split(':')[0];
  if (own && isAbsolute(own)) return own;
  if (env.XDG_RUNTIME_DIR && isAbsolute(env.XDG_RUNTIME_DIR)) return join(env.XDG_RUNTIME_DIR, 'ollana');
  return uid === 0 ? '/run/ollana' : dataDir;
}

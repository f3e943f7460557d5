export interface RestartFacts {
  readonly mode: 'client' | 'server';
  /** Started with `-d`. */
  readonly background: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  readonly pid: number;
}

/** Where the system's own service manager listens; a user's is below `/run/user`. */
const USER_MANAGER = /^\/run\/user\//;

/** What a person types to have this daemon started anew, by how it seems to have been started. Pure. */
export function restartText({ mode, background, env, platform, pid }: RestartFacts): string {
  const unit = mode === 'server' ? 'ollana' : 'ollana-client';
  const command = mode === 'server' ? 'ollana serve' : 'ollana';
  // Set by systemd for the unit alone; its other variables are handed down to every program of a session.
  const { NOTIFY_SOCKET: notify, XPC_SERVICE_NAME: agent } = env;
  if (notify)
    return USER_MANAGER.test(notify) ? `systemctl --user restart ${unit}` : `sudo systemctl restart ${unit}`;
  if (platform === 'darwin' && agent?.startsWith('ollana.'))
    return `launchctl stop ${agent} && launchctl start ${agent}`;
  const stop = platform === 'win32' ? `taskkill /F /PID ${pid}` : `kill ${pid}`;
  if (background) return `${stop}, then ${command} -d with the options it had`;
  return `Ctrl-C where it runs (or ${stop}), then ${command} with the options it had`;
}

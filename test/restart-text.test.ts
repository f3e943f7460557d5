import { describe, expect, it } from 'vitest';
import { type RestartFacts, restartText } from '../src/cli/restart-text.ts';

const PLAIN: RestartFacts = { mode: 'client', background: false, env: {}, platform: 'linux', pid: 7 };
const server = { ...PLAIN, mode: 'server' } as const;

describe('how a daemon is started anew', () => {
  it.each([
    ['in a terminal', PLAIN, 'Ctrl-C where it runs (or kill 7), then ollana with the options it had'],
    [
      'in the background',
      { ...server, background: true },
      'kill 7, then ollana serve -d with the options it had',
    ],
    [
      'by systemd',
      { ...server, env: { NOTIFY_SOCKET: '/run/systemd/notify' } },
      'sudo systemctl restart ollana',
    ],
    [
      "by a user's systemd",
      { ...PLAIN, env: { NOTIFY_SOCKET: '/run/user/1000/systemd/notify' } },
      'systemctl --user restart ollana-client',
    ],
    [
      'by launchd',
      { ...PLAIN, platform: 'darwin', env: { XPC_SERVICE_NAME: 'ollana.client' } },
      'launchctl stop ollana.client && launchctl start ollana.client',
    ],
    [
      'on Windows',
      { ...PLAIN, platform: 'win32', background: true },
      'taskkill /F /PID 7, then ollana -d with the options it had',
    ],
  ] as const)('%s', (_name, facts, text) => {
    expect(restartText(facts)).toBe(text);
  });
});

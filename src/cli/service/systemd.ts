import { isAbsolute, posix } from 'node:path';
import type { Surroundings } from '../../config/surroundings.ts';
import { MARK } from './mark.ts';
import type { Call, ServicePlan, ServiceSpec } from './plan.ts';

/** Where administrators put units. */
const SYSTEM_DIR = '/etc/systemd/system';

/** A unit of systemd, of the machine or of the user. Pure. */
export function systemdPlan(
  { mode, isUser, program, unit }: ServiceSpec,
  { homedir, env }: Pick<Surroundings, 'homedir' | 'env'>,
): ServicePlan {
  const name = mode === 'serve' ? 'ollana' : 'ollana-client';
  const scope: readonly string[] = isUser ? ['--user'] : [];
  const systemctl = (...args: readonly string[]): Call => ['systemctl', ...scope, ...args];
  const config = env.XDG_CONFIG_HOME;
  const userDir = config && isAbsolute(config) ? config : posix.join(homedir, '.config');
  const dir = isUser ? posix.join(userDir, 'systemd', 'user') : SYSTEM_DIR;
  return {
    name,
    file: {
      path: posix.join(dir, `${name}.service`),
      text: isUser ? userUnit(mode, program) : systemUnit(mode, program, unit),
      encoding: 'utf8',
    },
    install: [systemctl('daemon-reload'), systemctl('enable', '--now', `${name}.service`)],
    uninstall: [systemctl('disable', '--now', `${name}.service`)],
    afterwards: [systemctl('daemon-reload')],
    status: systemctl('--no-pager', 'status', `${name}.service`),
    logs: ['journalctl', ...scope, '--no-pager', '--lines=100', `--unit=${name}.service`],
    hints: isUser
      ? ['it ends when you log out; to have it run from the start of the machine: loginctl enable-linger']
      : [`settings: /etc/${name}/config.toml; its state: sudo ollana status --data-dir /var/lib/${name}`],
  };
}

/** The unit that comes with ollana, with what is run here in place of what a package would have installed. */
function systemUnit(mode: ServiceSpec['mode'], program: readonly string[], unit: string): string {
  const start = execLine(mode, program);
  // The single executable unpacks what it runs; without a folder that stays it would do so at each start.
  const unpacks = program.length === 1 ? '\nCacheDirectory=ollana' : '';
  const text = unit
    // What stands before it is for those who copy it by hand.
    .slice(Math.max(0, unit.indexOf('[Unit]')))
    .replace(/^ExecStart=.*$/m, () => start)
    .replace(/^RuntimeDirectory=.*$/m, (line) => line + unpacks);
  const named =
    mode === 'serve'
      ? text
      : text
          .replace(/^Description=.*$/m, 'Description=ollana: every GPU of the network at localhost:11435')
          .replace(
            /^(ConfigurationDirectory|StateDirectory|RuntimeDirectory|CacheDirectory)=ollana$/gm,
            '$1=ollana-client',
          )
          .replace('/etc/default/ollana', '/etc/default/ollana-client');
  return `# ${MARK}; \`ollana service uninstall${mode === 'client' ? ' --client' : ''}\` removes it.\n${named}`;
}

function userUnit(mode: ServiceSpec['mode'], program: readonly string[]): string {
  const what =
    mode === 'serve'
      ? "offers this machine's Ollama to the local network"
      : 'every GPU of the network at localhost:11435';
  return `# ${MARK}; \`ollana service uninstall --user${mode === 'serve' ? ' --serve' : ''}\` removes it.
# Settings: \`ollana config path\`.
[Unit]
Description=ollana: ${what}
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=notify
# The words come from systemd-notify, a child: Node has no sockets of that kind.
NotifyAccess=all
WatchdogSec=60
${execLine(mode, program)}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
# A bad option or a taken port does not go away by trying again.
RestartPreventExitStatus=2 3
# ollana finishes requests in flight for up to 30 s.
TimeoutStopSec=35
KillMode=mixed
UMask=0077
NoNewPrivileges=yes
# One connection per request on each side, and many laptops.
LimitNOFILE=65536

[Install]
WantedBy=default.target
`;
}

/** systemd reads `%` and `$` of its own in it, and backslashes. */
function execLine(mode: ServiceSpec['mode'], program: readonly string[]): string {
  const words = [...program, ...(mode === 'serve' ? ['serve'] : [])];
  const quoted = words.map((word) =>
    /^[\w./@:+-]+$/.test(word)
      ? word
      : `"${word.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`,
  );
  return `ExecStart=${quoted.join(' ')}`;
}

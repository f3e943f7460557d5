import { posix } from 'node:path';
import type { Surroundings } from '../../config/surroundings.ts';
import { MARK } from './mark.ts';
import type { ServicePlan, ServiceSpec } from './plan.ts';

/** An agent of the user, or a daemon of the machine that runs as the user who installed it. Pure. */
export function launchdPlan(
  spec: ServiceSpec,
  { homedir, uid = 0 }: Pick<Surroundings, 'homedir' | 'uid'>,
): ServicePlan {
  const { mode, isUser } = spec;
  const name = `ollana.${mode}`;
  const domain = isUser ? `gui/${uid}` : 'system';
  const library = isUser ? posix.join(homedir, 'Library') : '/Library';
  const path = posix.join(library, isUser ? 'LaunchAgents' : 'LaunchDaemons', `${name}.plist`);
  const log = posix.join(library, 'Logs', `${name}.log`);
  return {
    name,
    file: { path, text: plist(spec, name, log), encoding: 'utf8' },
    install: [
      ['launchctl', 'enable', `${domain}/${name}`],
      ['launchctl', 'bootstrap', domain, path],
    ],
    uninstall: [['launchctl', 'bootout', `${domain}/${name}`]],
    afterwards: [],
    status: ['launchctl', 'print', `${domain}/${name}`],
    logs: ['tail', '-n', '100', log],
    hints: [
      isUser ? 'it runs while you are logged in; settings: ollana config path' : `it runs as ${spec.user}`,
      'macOS 15 asks once whether it may find devices on the local network: allow it',
    ],
  };
}

function plist({ mode, isUser, program, user }: ServiceSpec, label: string, log: string): string {
  const words = [...program, ...(mode === 'serve' ? ['serve'] : [])];
  const account = isUser ? '' : `  <key>UserName</key><string>${xmlText(user)}</string>\n`;
  // ExitTimeOut: requests in flight are finished for up to 30 s. SuccessfulExit: told to end, it stays ended.
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- ${MARK} -->
<plist version="1.0">
<dict>
  <key>Label</key><string>${label}</string>
  <key>ProgramArguments</key>
  <array>
${words.map((word) => `    <string>${xmlText(word)}</string>`).join('\n')}
  </array>
${account}  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ExitTimeOut</key><integer>35</integer>
  <key>ProcessType</key><string>Interactive</string>
  <key>SoftResourceLimits</key><dict><key>NumberOfFiles</key><integer>65536</integer></dict>
  <key>Umask</key><integer>63</integer>
  <key>StandardErrorPath</key><string>${xmlText(log)}</string>
</dict>
</plist>
`;
}

/** Text for XML. Pure. */
export function xmlText(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text.replace(/[&<>"]/g, (char) => entities[char] ?? '');
}

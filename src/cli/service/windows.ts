import { win32 } from 'node:path';
import type { Surroundings } from '../../config/surroundings.ts';
import { xmlText } from './launchd.ts';
import { MARK } from './mark.ts';
import type { ServicePlan, ServiceSpec } from './plan.ts';

/** LocalService: may use the network and little else. */
const LOCAL_SERVICE = 'S-1-5-19';

/** A task of the Task Scheduler, which starts it again when it fails; Windows services need a program made for it. Pure. */
export function taskPlan(
  spec: ServiceSpec,
  { homedir, env }: Pick<Surroundings, 'homedir' | 'env'>,
): ServicePlan {
  const { mode, isUser } = spec;
  const name = `ollana-${mode}`;
  const dir = isUser
    ? win32.join(env.LOCALAPPDATA || win32.join(homedir, 'AppData', 'Local'), 'ollana')
    : win32.join(env.ProgramData || 'C:\\ProgramData', 'ollana');
  const path = win32.join(dir, `${name}.xml`);
  const log = win32.join(dir, `${name}.log`);
  return {
    name,
    file: { path, text: taskXml(spec, dir, log), encoding: 'utf16le' },
    install: [
      ['schtasks', '/Create', '/TN', name, '/XML', path],
      ['schtasks', '/Run', '/TN', name],
    ],
    uninstall: [
      ['schtasks', '/End', '/TN', name],
      ['schtasks', '/Delete', '/TN', name, '/F'],
    ],
    afterwards: [],
    status: ['schtasks', '/Query', '/TN', name, '/V', '/FO', 'LIST'],
    logs: ['powershell', '-NoProfile', '-Command', `Get-Content -Tail 100 -LiteralPath ${quoted(log)}`],
    hints: [
      isUser
        ? 'it starts when you log in; settings: ollana config path'
        : `it runs as LocalService; give that account the folder: icacls "${dir}" /grant *${LOCAL_SERVICE}:(OI)(CI)M`,
      'Windows asks once whether Node may be reached from private networks: allow it',
    ],
  };
}

function taskXml({ mode, isUser, program, user }: ServiceSpec, dir: string, log: string): string {
  const words = [...program, ...(mode === 'serve' ? ['serve'] : []), `--log-file=${log}`];
  // A folder of the service's own: its account has no home that it could write to.
  const own = isUser ? [] : [`--data-dir=${win32.join(dir, mode)}`];
  // conhost: a console program would have a window on the screen otherwise.
  const line = ['--headless', ...[...words, ...own].map((word) => `"${word}"`)].join(' ');
  const trigger = isUser
    ? `<LogonTrigger><Enabled>true</Enabled><UserId>${xmlText(user)}</UserId></LogonTrigger>`
    : '<BootTrigger><Enabled>true</Enabled></BootTrigger>';
  const principal = isUser
    ? `<UserId>${xmlText(user)}</UserId><LogonType>InteractiveToken</LogonType>`
    : `<UserId>${LOCAL_SERVICE}</UserId>`;
  return `<?xml version="1.0" encoding="UTF-16"?>
<!-- ${MARK} -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>ollana, ${mode} mode</Description></RegistrationInfo>
  <Triggers>${trigger}</Triggers>
  <Principals><Principal id="Author">${principal}<RunLevel>LeastPrivilege</RunLevel></Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec><Command>conhost.exe</Command><Arguments>${xmlText(line)}</Arguments></Exec>
  </Actions>
</Task>
`;
}

/** A text for PowerShell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

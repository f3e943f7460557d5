import type { Change, ReloadReport } from '../daemon/reload.ts';
import { RELOAD_PATH } from '../daemon/reload-path.ts';
import { runningDaemons } from '../daemon/state-file.ts';
import { valueText } from './config-table.ts';
import { theDaemon } from './daemon-request.ts';
import { EXIT } from './exit-codes.ts';
import { safeJson } from './safe-json.ts';
import { type Told, tellDaemon } from './tell-daemon.ts';
import { plainText } from './text.ts';

/**
 * Has every running daemon of a data directory read its configuration again, and prints what came of it. Returns 0 when
 * all have taken it, 2 when one has not: its running configuration stays. Throws OLLANA_NOT_RUNNING and
 * OLLANA_DIAL_FAILED.
 */
export async function reloadDaemons(dataDir: string, json: boolean): Promise<number> {
  const first = theDaemon(dataDir);
  const others = runningDaemons(dataDir).filter(({ pid }) => pid !== first.pid);
  const reports: (Told & { readonly mode: string })[] = [];
  let refused = false;
  for (const daemon of [first, ...others]) {
    const told = await tellDaemon(dataDir, { method: 'POST', path: RELOAD_PATH, body: {} }, daemon);
    if (told) reports.push({ mode: daemon.mode, ...told });
    else refused = true;
  }
  if (json) process.stdout.write(`${safeJson(reports)}\n`);
  else
    for (const { mode, ...told } of reports)
      process.stdout.write(reloadText(mode, told as Partial<ReloadReport>));
  return refused ? EXIT.usage : EXIT.ok;
}

/** What a daemon has taken over, what waits for a restart, and what is set in vain. Pure. */
function reloadText(mode: string, { file = '', changed, restart, shadowed }: Partial<ReloadReport>): string {
  const name = mode === 'server' ? 'ollana serve' : 'ollana';
  const lines = [
    `${name} has read ${file || 'its configuration'} again: ${changed?.length ? 'changed' : 'nothing changed live'}`,
    ...(changed ?? []).map((change) => `  ${changeText(change)}`),
    ...(restart?.length ? [`restart needed for: ${restart.join(', ')}`] : []),
    ...(shadowed?.length ? [`not by the file: ${shadowed.join(', ')}`] : []),
  ];
  return lines.map((line) => `${plainText(line)}\n`).join('');
}

function changeText({ option, from, to, unit }: Change): string {
  return `${option}: ${valueText({ value: from, unit })} -> ${valueText({ value: to, unit })}`;
}

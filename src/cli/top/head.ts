import { PULSE_MS } from '../../dashboard/recent.ts';
import { cutTo, inColumn, plainText } from '../text.ts';
import { type Known, type KnownServer, type Link, workAt } from './known.ts';
import { localTime } from './requests.ts';
import { sparkLine } from './spark.ts';

/** Steps of the pulse that make a minute. */
const MINUTE = 60_000 / PULSE_MS;
/** Fewer bars tell of nothing. */
const LEAST_BARS = 6;

/** Which daemon it is, and how it is, on one line of `columns`. Pure. */
export function nameLine({ daemon, health }: Known, columns: number): string {
  if (!daemon) return cutTo('ollana', columns);
  const left = `ollana ${daemon.version}, ${daemon.mode} mode, ${daemon.name}, ${daemon.url}`;
  const right = health ? `health ${health.score}` : '';
  const room = columns - right.length - 1;
  return (room < 20 ? inColumn(left, columns) : `${inColumn(left, room)} ${right}`).trimEnd();
}

/** What runs and waits, and the last minutes as bars, on one line of `columns`. Pure. */
export function pulseLine(known: Known, servers: readonly KnownServer[], columns: number): string {
  const work = servers.map(workAt);
  const sum = (key: 'active' | 'queued') => work.reduce((all, one) => all + one[key], 0);
  const { requests = [], tokens = [] } = known.pulse ?? {};
  const lastMinute = (steps: readonly number[]) => steps.slice(-MINUTE).reduce((all, one) => all + one, 0);
  const perS = lastMinute(tokens) / 60;
  const text = [
    `${servers.length} server${servers.length === 1 ? '' : 's'}`,
    `${sum('active')} running`,
    `${sum('queued')} waiting`,
    `${lastMinute(requests)} requests/min`,
    `${perS.toFixed(perS > 0 && perS < 9.95 ? 1 : 0)} tok/s`,
  ].join('  ');
  const bars = columns - text.length - 2;
  const spark = bars >= LEAST_BARS ? sparkLine(tokens.some((one) => one > 0) ? tokens : requests, bars) : '';
  return cutTo(spark === '' ? text : `${text}  ${spark}`, columns);
}

/** What the user should know before all else; empty where there is nothing. Pure. */
export function alarmLine({ health }: Known, link: Link, columns: number): string {
  if (link.type === 'connecting') return cutTo('Connecting ...', columns);
  if (link.type === 'lost') {
    const text = `Lost ollana at ${localTime(link.since)} (${link.reason}); looking for it every second`;
    return cutTo(plainText(text), columns);
  }
  const [worst, ...others] = (health?.problems ?? []).filter(({ severity }) => severity !== 'info');
  if (!worst) return '';
  const more = others.length > 0 ? ` (and ${others.length} more: ollana health)` : ' (ollana health)';
  const text = plainText(`${worst.severity}: ${worst.title}`);
  const room = columns - more.length;
  return room < 20 ? cutTo(text, columns) : cutTo(text, room) + more;
}

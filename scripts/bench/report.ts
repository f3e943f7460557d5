import type { ContenderName } from './contender.ts';
import type { RoundFigures } from './round.ts';
import { median } from './stats.ts';

/** What a process takes without being asked anything, and after having been asked a lot. */
export interface Standing {
  readonly contender: ContenderName;
  /** 0: the process that the app talks to; 1: the one behind it. */
  readonly hop: number;
  /** Of one core. */
  readonly idleCpuPercent: number;
  readonly idleMb: number;
  readonly loadedMb: number;
}

export interface Machine {
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  /** Above 0.5 or so other programs were running, and the figures are that much less worth. */
  readonly loadAverageAtStart: number;
}

/** One line of the table: the figure of each contender. */
export interface Row {
  readonly label: string;
  readonly unit: string;
  readonly values: Readonly<Partial<Record<ContenderName, number>>>;
}

/** A bound that ollana has to keep, and whether it did in this run. */
export interface Verdict {
  readonly label: string;
  readonly unit: string;
  readonly value: number;
  readonly bound: number;
  readonly met: boolean;
}

export interface Report {
  readonly machine: Machine;
  readonly rows: readonly Row[];
  readonly verdicts: readonly Verdict[];
  readonly standing: readonly Standing[];
  readonly rounds: Readonly<Partial<Record<ContenderName, readonly RoundFigures[]>>>;
}

export interface Measured {
  readonly machine: Machine;
  readonly rounds: ReadonlyMap<ContenderName, readonly RoundFigures[]>;
  readonly standing: readonly Standing[];
}

const LATENCIES = [
  ['whole small answer, p50', 'wholeP50'],
  ['whole small answer, p99', 'wholeP99'],
  ['first byte of a stream, p50', 'firstByteP50'],
  ['first byte of a stream, p99', 'firstByteP99'],
  ['each line of a paced stream, p50', 'lineDelayP50'],
  ['each line of a paced stream, p99', 'lineDelayP99'],
] as const;
const COSTS = [
  ['CPU a line at full speed', 'cpuFullSpeed'],
  ['CPU a line, one line a segment', 'cpuSegments'],
] as const;

/** Medians over the rounds: differences and ratios are taken within a round, where the machine was the same. Pure. */
export function summarise({ machine, rounds, standing }: Measured): Report {
  const names = [...rounds.keys()];
  const over = (pick: (name: ContenderName, round: number) => number) => (name: ContenderName) =>
    median((rounds.get(name) ?? []).map((_, round) => pick(name, round)));
  const figure = (key: keyof RoundFigures) => (name: ContenderName, round: number) =>
    rounds.get(name)?.[round]?.[key] ?? Number.NaN;
  const row = (label: string, unit: string, value: (name: ContenderName) => number): Row => ({
    label,
    unit,
    values: Object.fromEntries(names.map((name) => [name, value(name)])),
  });
  const added = (key: keyof RoundFigures) =>
    over((name, round) => figure(key)(name, round) - figure(key)('direct', round));
  const ratio = (key: keyof RoundFigures) =>
    over((name, round) => figure(key)(name, round) / figure(key)('http-proxy', round));
  const proxies = (value: (name: ContenderName) => number) => (name: ContenderName) =>
    name === 'direct' ? Number.NaN : value(name);
  const rows = [
    ...LATENCIES.map(([label, key]) => row(label, 'ms', over(figure(key)))),
    ...LATENCIES.map(([label, key]) => row(`added: ${label}`, 'ms', proxies(added(key)))),
    ...COSTS.map(([label, key]) => row(label, 'us', proxies(over(figure(key))))),
    ...COSTS.map(([label, key]) => row(`ratio: ${label}`, 'x', proxies(ratio(key)))),
  ];
  const own = standing.filter(({ contender }) => contender === 'ollana');
  const verdicts = [
    verdict('added to a whole small answer, p50', 'ms', added('wholeP50')('ollana'), 0.6),
    verdict('added to the first byte of a stream, p50', 'ms', added('firstByteP50')('ollana'), 0.6),
    verdict('CPU a line at full speed, of http-proxy', 'x', ratio('cpuFullSpeed')('ollana'), 1.15),
    verdict('CPU a line, one line a segment, of http-proxy', 'x', ratio('cpuSegments')('ollana'), 1.15),
    verdict('resident memory when idle', 'MB', Math.max(...own.map(({ idleMb }) => idleMb)), 90),
    verdict('CPU when idle', '%', Math.max(...own.map(({ idleCpuPercent }) => idleCpuPercent)), 0.5),
  ];
  return { machine, rows, verdicts, standing, rounds: Object.fromEntries(rounds) };
}

/** The report as Markdown. Pure. */
export function table({ machine, rows, verdicts, standing, rounds }: Report): string {
  const names = Object.keys(rounds) as ContenderName[];
  const count = rounds.direct?.length ?? 0;
  const processName = ({ contender, hop }: Standing) =>
    contender === 'ollana, two hops' ? `${contender}: ${hop === 0 ? 'client' : 'server'}` : contender;
  return [
    `Medians of ${count} interleaved rounds; Node ${machine.node}, ${machine.cores} x ${machine.cpu}, load average ${show(machine.loadAverageAtStart)} at the start.`,
    '',
    ...grid(
      ['', 'unit', ...names],
      rows.map(({ label, unit, values }) => [label, unit, ...names.map((name) => show(values[name]))]),
    ),
    '',
    ...grid(
      ['process', 'idle CPU %', 'idle RSS MB', 'RSS MB after load'],
      standing.map((one) => [
        processName(one),
        ...[one.idleCpuPercent, one.idleMb, one.loadedMb].map((value) => show(value)),
      ]),
    ),
    '',
    ...grid(
      ['ollana, one hop', 'unit', 'here', 'bound', ''],
      verdicts.map(({ label, unit, value, bound, met }) => [
        label,
        unit,
        show(value),
        String(bound),
        met ? 'met' : 'NOT MET',
      ]),
    ),
  ].join('\n');
}

function verdict(label: string, unit: string, value: number, bound: number): Verdict {
  return { label, unit, value, bound, met: Number.isFinite(value) && value <= bound };
}

function grid(head: readonly string[], lines: readonly (readonly string[])[]): string[] {
  const rule = head.map((_, column) => (column === 0 ? ':--' : '--:'));
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`);
}

function show(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '';
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 3);
}

import { type BenchConfig, MODELS } from './config.ts';
import type { Contender } from './contender.ts';
import { Load } from './load.ts';
import { cpuSeconds } from './process-cost.ts';
import { median, percentile } from './stats.ts';

/** What one contender showed in one round. ms, except CPU: microseconds a line, all its processes together. */
export interface RoundFigures {
  /** A small request answered whole: from sending to the last byte. */
  readonly wholeP50: number;
  readonly wholeP99: number;
  /** A small streamed request: from sending to the first byte of the body. */
  readonly firstByteP50: number;
  readonly firstByteP99: number;
  /** How long a line of a paced stream is under way. */
  readonly lineDelayP50: number;
  readonly lineDelayP99: number;
  /** At full speed, many lines a segment. */
  readonly cpuFullSpeed: number;
  /** At a pace, one line a segment. */
  readonly cpuSegments: number;
}

/** Measures one contender once. Rejects when any answer is not 2xx or a line is missing. */
export async function runRound(contender: Contender, config: BenchConfig): Promise<RoundFigures> {
  using load = new Load(contender.url);
  const whole: number[] = [];
  const firstByte: number[] = [];
  // First, while no garbage of the other measurements is left to clear away.
  const streams = (lines: number) =>
    Promise.all(Array.from({ length: config.segmentStreams }, () => load.count(MODELS.segments.name, lines)));
  await streams(1); // Opens the connections: what they cost is not a line's.
  const cpuSegments = await cpuPerLine(contender, config.segmentLines, () => streams(config.segmentLines));
  await load.ask(MODELS.fullSpeed.name, 1, true); // Opens the connection that is kept.
  for (let i = 0; i < config.smallRequests; i += 1) {
    whole.push((await load.ask(MODELS.fullSpeed.name, 1, false)).totalMs);
    firstByte.push((await load.ask(MODELS.fullSpeed.name, 1, true)).firstByteMs);
  }
  const delays = await load.delays(MODELS.paced.name, config.pacedLines);
  // Last, as the garbage of a minute's work in a second is cleared away during what follows.
  const cpuFullSpeed = await cpuPerLine(contender, config.fullSpeedLines, async () => [
    await load.count(MODELS.fullSpeed.name, config.fullSpeedLines),
  ]);
  return {
    wholeP50: median(whole),
    wholeP99: percentile(whole, 0.99),
    firstByteP50: median(firstByte),
    firstByteP99: percentile(firstByte, 0.99),
    lineDelayP50: median(delays),
    lineDelayP99: percentile(delays, 0.99),
    cpuFullSpeed,
    cpuSegments,
  };
}

/** Microseconds of CPU that the contender's processes use for one line of what `run` streams. */
async function cpuPerLine(
  { name, pids }: Contender,
  expected: number,
  run: () => Promise<{ lines: number }[]>,
): Promise<number> {
  const used = () => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = used();
  const streams = await run();
  const spent = used() - before;
  // Every answer has one more line, with the counters.
  const short = streams.find(({ lines }) => lines !== expected + 1);
  if (short) throw new Error(`${name} passed on ${short.lines} lines of ${expected + 1}`);
  return (spent * 1e6) / streams.reduce((sum, { lines }) => sum + lines, 0);
}

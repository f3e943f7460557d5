import { writeFileSync } from 'node:fs';
import { type BenchConfig, readConfig } from './config.ts';
import { decideText, runDecide } from './decide.ts';
import { runEmbed } from './embed.ts';
import { embedTable } from './embed-report.ts';
import { readFleetConfig } from './fleet/config.ts';
import { runFleet } from './fleet/fleet.ts';
import { fleetTable } from './fleet/report.ts';
import { runForward } from './forward.ts';
import { runHostile } from './hostile.ts';
import { hostileTable } from './hostile-report.ts';
import { runQueue } from './queue.ts';
import { queueTable } from './queue-report.ts';
import { table } from './report.ts';
import { runStart, startText } from './start.ts';
import { runTraces, tracesText } from './traces.ts';
import { runWatched } from './watched.ts';
import { watchedTable } from './watched-report.ts';

type Tell = (text: string) => void;

/** What a benchmark has found, how it is shown, and the file for it as JSON. */
interface Result {
  readonly report: object;
  readonly text: string;
  readonly json: string | undefined;
}

/** The benchmarks of one request's way, by name. */
const BENCHES = {
  forward: async (config: BenchConfig, tell: Tell) => {
    const report = await runForward(config, tell);
    return { report, text: table(report) };
  },
  embed: async (config: BenchConfig, tell: Tell) => {
    const report = await runEmbed(config, tell);
    return { report, text: embedTable(report) };
  },
  queue: async (config: BenchConfig, tell: Tell) => {
    const report = await runQueue(config, tell);
    return { report, text: queueTable(report) };
  },
  hostile: async (config: BenchConfig, tell: Tell) => {
    const report = await runHostile(config, tell);
    return { report, text: hostileTable(report) };
  },
  traces: async (config: BenchConfig, tell: Tell) => {
    const report = await runTraces(config, tell);
    return { report, text: tracesText(report) };
  },
  watched: async (config: BenchConfig, tell: Tell) => {
    const report = await runWatched(config, tell);
    return { report, text: watchedTable(report) };
  },
  start: async (config: BenchConfig, tell: Tell) => {
    const report = await runStart(config, tell);
    return { report, text: startText(report) };
  },
  decide: async (config: BenchConfig, tell: Tell) => {
    const report = runDecide(config, tell);
    return { report, text: decideText(report) };
  },
};

/** The one of a whole fleet has options of its own. */
async function fleet(argv: readonly string[], tell: Tell): Promise<Result> {
  const config = readFleetConfig(argv);
  const report = await runFleet(config, tell);
  return { report, text: fleetTable(report), json: config.json };
}

async function bench(argv: readonly string[], tell: Tell): Promise<Result> {
  if (argv[0] === 'fleet') return fleet(argv.slice(1), tell);
  const config = readConfig(argv);
  if (!(config.name in BENCHES)) {
    throw new RangeError(`no benchmark '${config.name}': there is ${Object.keys(BENCHES).join(', ')}, fleet`);
  }
  const run = BENCHES[config.name as keyof typeof BENCHES];
  return { ...(await run(config, tell)), json: config.json };
}

// The exit is what ends the children.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

try {
  const { report, text, json } = await bench(process.argv.slice(2), (line) => console.error(line));
  console.log(text);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

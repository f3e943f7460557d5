import { writeFileSync } from 'node:fs';
import { type BenchConfig, readConfig } from './config.ts';
import { runEmbed } from './embed.ts';
import { embedTable } from './embed-report.ts';
import { runForward } from './forward.ts';
import { table } from './report.ts';

type Tell = (text: string) => void;

/** The benchmarks by name, each with its figures and how they are shown. */
const BENCHES = {
  forward: async (config: BenchConfig, tell: Tell) => {
    const report = await runForward(config, tell);
    return { report, text: table(report) };
  },
  embed: async (config: BenchConfig, tell: Tell) => {
    const report = await runEmbed(config, tell);
    return { report, text: embedTable(report) };
  },
};

// The exit is what ends the children.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

try {
  const config = readConfig(process.argv.slice(2));
  if (!(config.name in BENCHES)) {
    throw new RangeError(`no benchmark '${config.name}': there is ${Object.keys(BENCHES).join(', ')}`);
  }
  const run = BENCHES[config.name as keyof typeof BENCHES];
  const { report, text } = await run(config, (line) => console.error(line));
  console.log(text);
  if (config.json !== undefined) writeFileSync(config.json, `${JSON.stringify(report, null, 2)}\n`);
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

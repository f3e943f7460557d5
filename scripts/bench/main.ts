import { writeFileSync } from 'node:fs';
import { readConfig } from './config.ts';
import { runForward } from './forward.ts';
import { table } from './report.ts';

/** The benchmarks by name. */
const BENCHES = { forward: runForward };

// The exit is what ends the children.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

try {
  const config = readConfig(process.argv.slice(2));
  if (!(config.name in BENCHES)) {
    throw new RangeError(`no benchmark '${config.name}': there is ${Object.keys(BENCHES).join(', ')}`);
  }
  const report = await BENCHES[config.name as keyof typeof BENCHES](config, (text) => console.error(text));
  console.log(table(report));
  if (config.json !== undefined) writeFileSync(config.json, `${JSON.stringify(report, null, 2)}\n`);
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

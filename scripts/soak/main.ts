// Whole daemons for as long as you like, over Ollamas that fail, and what they hold meanwhile:
//   npm run soak -- [--minutes 4] [--requests 200000] [--workers 16] [--seed 1] [--json FILE]
// Exit code: 0 flat and truthful, 1 not, 2 it could not be run.
import { writeFileSync } from 'node:fs';
import { readSoakConfig } from './config.ts';
import { passed, soakTable } from './report.ts';
import { runSoak } from './soak.ts';

const over = new AbortController();
// A second one ends it at once.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => over.abort());

try {
  if (process.platform !== 'linux') throw new Error('it reads /proc: run it on Linux');
  const config = readSoakConfig(process.argv.slice(2));
  const report = await runSoak(config, (line) => console.error(line), over.signal);
  console.log(soakTable(report));
  if (config.json !== undefined) writeFileSync(config.json, `${JSON.stringify(report, null, 2)}\n`);
  process.exitCode = passed(report) ? 0 : 1;
} catch (error) {
  console.error(`soak: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}

// The simulated Ollama in a process of its own. Arguments: folder of the compiled modules, models as JSON, and maybe
// further options as JSON.
// Prints its URL once it listens; ends with its parent.
import { pathToFileURL } from 'node:url';

const [folder, models, more = '{}'] = process.argv.slice(2);
const from = (path) => import(pathToFileURL(`${folder}/${path}`).href);
const { startSimulatedOllama } = await from('simulate/ollama.js');
const { systemClock } = await from('clock.js');

// `created_at` has whole milliseconds; with a wall clock that counts microseconds of the monotonic clock, which all
// processes of a machine share, the reader of a line can tell to the microsecond how long it was under way.
const clock = { ...systemClock, wall: () => Number(process.hrtime.bigint() / 1000n) };
const ollama = await startSimulatedOllama({
  models: JSON.parse(models),
  numParallel: 64,
  answer: ' lorem'.repeat(100_000),
  clock,
  ...JSON.parse(more),
});
console.log(ollama.url);
process.stdin.on('close', () => process.exit()).resume();
process.on('SIGTERM', () => process.exit());

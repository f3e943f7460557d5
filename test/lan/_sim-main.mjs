// A simulated Ollama as a process of its own, for a lab host:
//   node _sim-main.mjs '{"port": 11434, "models": [...], ...}'
// From the build, so that it starts in a tenth of a second. A line on standard input is a fault as JSON
// (`{"kind":"hang"}`, or `null` to clear it), taken up at once and confirmed with a line "fault ...".
import { createInterface } from 'node:readline';
import { startSimulatedOllama } from '../../dist-modules/simulate/ollama.js';

const ollama = await startSimulatedOllama(JSON.parse(process.argv[2] ?? '{}'));
process.stdout.write(`listening on ${ollama.url}\n`);
createInterface({ input: process.stdin }).on('line', (line) => {
  const fault = JSON.parse(line) ?? undefined;
  ollama.faults.set(fault);
  process.stdout.write(`fault ${fault?.kind ?? 'cleared'}\n`);
});

// A set of simulated GPUs in a process of its own. Arguments: folder of the compiled modules; the GPUs as JSON, each
// the options of its simulated Ollama and `loaded`, the names of the models in memory at the beginning.
// Prints a URL whose answer lists the GPUs with their addresses and counters; ends with its parent.
import http from 'node:http';
import { pathToFileURL } from 'node:url';

const [modules, given] = process.argv.slice(2);
const { startSimulatedOllama } = await import(pathToFileURL(`${modules}/simulate/ollama.js`).href);

const WORD = ' yes';
// The question says how long its answer is to be.
const answer = (question) => WORD.repeat(Number(/#(\d+)$/.exec(question)?.[1] ?? 1));

const gpus = [];
for (const { loaded, ...options } of JSON.parse(given)) {
  const ollama = await startSimulatedOllama({ ...options, answer });
  for (const name of loaded) await ollama.load(name);
  gpus.push(ollama);
}
const told = http.createServer((_request, response) => {
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(gpus.map((ollama) => ({ url: ollama.url, ...ollama.stats() }))));
});
told.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${told.address().port}`));
process.stdin.on('close', () => process.exit()).resume();
process.on('SIGTERM', () => process.exit());

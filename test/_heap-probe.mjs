// Loaded into a daemon under test: on SIGUSR2 it says on standard output what the process holds.
import { readdirSync } from 'node:fs';

let asked = 0;
process.on('SIGUSR2', () => {
  asked += 1;
  globalThis.gc?.();
  const heapBytes = process.memoryUsage().heapUsed;
  // Connections that are merely kept for the next request do not hold the loop, and are not among these.
  const handles = process.getActiveResourcesInfo().length;
  const descriptors = readdirSync('/proc/self/fd').length;
  process.stdout.write(`holdings ${asked} ${JSON.stringify({ heapBytes, handles, descriptors })}\n`);
});

// Loaded into a daemon under test: on SIGUSR2 it says on standard output what the process holds.
import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

let asked = 0;
if (isMainThread) {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  process.on('SIGUSR2', () => {
    asked += 1;
    const delayMs = delay.percentile(99) / 1e6;
    globalThis.gc?.();
    const { heapUsed: heapBytes, external: externalBytes } = process.memoryUsage();
    // Connections that are merely kept for the next request do not hold the loop, and are not among these.
    const handles = process.getActiveResourcesInfo().length;
    const descriptors = readdirSync('/proc/self/fd').length;
    const told = { heapBytes, externalBytes, handles, descriptors, delayMs };
    process.stdout.write(`holdings ${asked} ${JSON.stringify(told)}\n`);
    // How long this took is not the daemon's.
    delay.reset();
  });
}

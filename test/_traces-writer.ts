// Keeps one trace after the other until it is killed, and says how many it has made: what a kill costs is told by these.
import { systemClock } from '../src/clock.ts';
import { createLog } from '../src/observe/log.ts';
import { Traces } from '../src/observe/traces.ts';
import { aTrace } from './_traces.ts';

const log = createLog({ levels: { level: 'warn', areas: {} }, pretty: true });
const traces = new Traces({ path: process.argv[2] ?? '', clock: systemClock, log });
setInterval(() => {}, 1000);
// From source the thread takes seconds to begin.
await traces.ask({ type: 'page', query: { limit: 1 } });
let made = 0;
setInterval(() => {
  for (let i = 0; i < 4; i++) {
    made += 1;
    traces.keep(aTrace(made));
  }
  process.stdout.write(`${made} ${Date.now()}\n`);
}, 10);

#!/usr/bin/env node
import { main } from './cli/main.ts';

// Not awaited here: what `main` imports later may be bundled with this file, and would wait for it to end.
void main(process.argv.slice(2)).then((code) => {
  // Pipes are written in the background on some systems: exit when the last byte is out.
  process.stdout.write('', () => process.exit(code));
});

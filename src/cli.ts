#!/usr/bin/env node
import { main } from './cli/main.ts';

const code = await main(process.argv.slice(2));
// Pipes are written in the background on some systems: exit when the last byte is out.
process.stdout.write('', () => process.exit(code));

// A hostile host for the lab: says at once, and again and again, that it is a server, and passes what it is sent on to
// the real one, by TLS and in the clear, as whoever asks likes it:
//   node --import tsx _relay-main.ts REAL_IP BROADCAST_IP
// Answers each line on standard input with a line of JSON: how many connections it has met, how many bytes it has read,
// and whether they hold that line.
import { createInterface } from 'node:readline';
import { passingIdentity } from '../../src/security/identity.ts';
import { startInterloper } from '../_paired.ts';
import { announce, SERVER_PORT } from './_announce.ts';

const [real = '', broadcast = ''] = process.argv.slice(2);

const between = await startInterloper(passingIdentity(), real, SERVER_PORT, SERVER_PORT, '0.0.0.0');
announce(broadcast, () => process.stdout.write('relaying\n'));
createInterface({ input: process.stdin }).on('line', (line) => {
  const heard = between.heard();
  process.stdout.write(
    `${JSON.stringify({ met: between.met(), bytes: heard.length, holds: heard.includes(line) })}\n`,
  );
});

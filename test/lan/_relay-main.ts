// A hostile host for the lab: says at once, and again and again, that it is a server, and passes what it is sent on to
// the real one, by TLS and in the clear, as whoever asks likes it:
//   node --import tsx _relay-main.ts REAL_IP BROADCAST_IP
// Answers each line on standard input with a line of JSON: how many connections it has met, how many bytes it has read,
// and whether they hold that line.
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { passingIdentity } from '../../src/security/identity.ts';
import { startInterloper } from '../_paired.ts';

const [real = '', broadcast = ''] = process.argv.slice(2);
const PORT = 11435;
const DISCOVERY = 11436;
/** What a server says, and whoever looks for one: see wire.ts. */
const WORD = Buffer.from('LANA');
/** Ten times as often as honest servers. */
const SAY_EVERY_MS = 500;

const between = await startInterloper(passingIdentity(), real, PORT, PORT, '0.0.0.0');
const socket = createSocket({ type: 'udp4', reuseAddr: true });
socket.on('error', () => {});
socket.on('message', (_, { address, port }) => {
  if (port !== DISCOVERY) socket.send(WORD, port, address);
});
socket.bind(DISCOVERY, () => {
  socket.setBroadcast(true);
  setInterval(() => socket.send(WORD, DISCOVERY, broadcast), SAY_EVERY_MS);
  process.stdout.write('relaying\n');
});
createInterface({ input: process.stdin }).on('line', (line) => {
  const heard = between.heard();
  process.stdout.write(
    `${JSON.stringify({ met: between.met(), bytes: heard.length, holds: heard.includes(line) })}\n`,
  );
});

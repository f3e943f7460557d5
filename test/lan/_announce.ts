import { createSocket } from 'node:dgram';

/** Where servers listen. */
export const SERVER_PORT = 11435;
const DISCOVERY = 11436;
/** What a server says, and whoever looks for one: see wire.ts. */
const WORD = Buffer.from('LANA');
/** Ten times as often as honest servers. */
const SAY_EVERY_MS = 500;

/** Says to all, and to whoever asks, that this host is a server; calls back when it has begun. */
export function announce(broadcast: string, begun: () => void): void {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('error', () => {});
  socket.on('message', (_, { address, port }) => {
    if (port !== DISCOVERY) socket.send(WORD, port, address);
  });
  socket.bind(DISCOVERY, () => {
    socket.setBroadcast(true);
    setInterval(() => socket.send(WORD, DISCOVERY, broadcast), SAY_EVERY_MS);
    begun();
  });
}

// A machine of the lab that is found like a server and calls itself, and its model, what a terminal would obey and a
// page would run:
//   node _liar-main.mjs NAME BROADCAST_IP     NAME as JSON
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';

const [json = '""', broadcast = ''] = process.argv.slice(2);
const name = JSON.parse(json);
const PORT = 11435;
const DISCOVERY = 11436;
/** What a server says, and whoever looks for one: see wire.ts. */
const WORD = Buffer.from('LANA');
const model = { name: `${name}:latest`, model: `${name}:latest`, size: 1e9, digest: name, details: {} };
const ANSWERS = {
  '/ollana/api/hello': { mode: 'server', deviceId: 'f'.repeat(64), name, version: name },
  '/api/version': { version: name },
  '/api/tags': { models: [model] },
  '/api/ps': { models: [{ ...model, expires_at: '2100-01-01T00:00:00Z', size_vram: 1e9 }] },
};

createServer((request, response) => {
  const said = ANSWERS[request.url];
  response.writeHead(said ? 200 : 404, { 'Content-Type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(said ?? { error: name }));
}).listen(PORT, '0.0.0.0');

const socket = createSocket({ type: 'udp4', reuseAddr: true });
socket.on('error', () => {});
socket.on('message', (_, { address, port }) => {
  if (port !== DISCOVERY) socket.send(WORD, port, address);
});
socket.bind(DISCOVERY, () => {
  socket.setBroadcast(true);
  setInterval(() => socket.send(WORD, DISCOVERY, broadcast), 500);
  process.stdout.write('lying\n');
});

// A machine of the lab that is found like a server and calls itself, and its model, what a terminal would obey and a
// page would run:
//   node --import tsx _liar-main.ts NAME BROADCAST_IP     NAME as JSON
import { createServer } from 'node:http';
import { announce, SERVER_PORT } from './_announce.ts';

const [json = '""', broadcast = ''] = process.argv.slice(2);
const name = JSON.parse(json) as string;
const model = { name: `${name}:latest`, model: `${name}:latest`, size: 1e9, digest: name, details: {} };
const ANSWERS: Readonly<Record<string, object>> = {
  '/ollana/api/hello': { mode: 'server', deviceId: 'f'.repeat(64), name, version: name },
  '/api/version': { version: name },
  '/api/tags': { models: [model] },
  '/api/ps': { models: [{ ...model, expires_at: '2100-01-01T00:00:00Z', size_vram: 1e9 }] },
};

createServer((request, response) => {
  const said = ANSWERS[request.url ?? ''];
  response.writeHead(said ? 200 : 404, { 'Content-Type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(said ?? { error: name }));
}).listen(SERVER_PORT, '0.0.0.0');

announce(broadcast, () => process.stdout.write('lying\n'));

import { createServer, type ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { Fleet } from '../src/fleet/fleet.ts';
import { PLAIN } from '../src/security/dial.ts';
import { PathAgent } from '../src/security/path-agent.ts';
import { listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';

const SELF = { deviceId: 'a'.repeat(64), name: 'gpu', version: '0.17.4' };

it('a server that goes while its lists are awaited is gone at once, not when those time out', async () => {
  const watches: ServerResponse[] = [];
  let isStuck = false;
  let stuck = 0;
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/ollana/api/watch')) {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write(
        `event: server\ndata: ${JSON.stringify({ ...SELF, ollama: 'up', allowsManage: false })}\n\n`,
      );
      watches.push(response);
      return;
    }
    if (isStuck && /^\/api\/(tags|ps)$/.test(request.url ?? '')) {
      stuck += 1;
      return;
    }
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ ...SELF, mode: 'server', watch: true, models: [] }));
  });
  await using upstream = await listenOn(server);
  const agent = new PathAgent({}, PLAIN);
  using fleet = new Fleet({
    ownDeviceId: undefined,
    clock: systemClock,
    agent,
    connectTimeoutMs: 1000,
    emit: () => {},
  });
  fleet.sight({ source: 'static', url: upstream.url, leaseMs: Number.POSITIVE_INFINITY });
  const state = () => fleet.servers()[0]?.verdict.state;
  await until(5000, 'the server to be watched', () => watches.length > 0 && state() === 'reliable');
  isStuck = true;
  void fleet.relist(10_000);
  await until(2000, 'the lists to be asked for', () => stuck > 0);
  server.close();
  for (const watch of watches) watch.destroy();
  await until(2500, 'the server to be gone', () => state() !== 'reliable');
  expect(state()).toBe('unreliable');
  agent.destroy();
});

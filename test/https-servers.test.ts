import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { selfSigned } from '../src/security/self-signed.ts';
import { type Cluster, startCluster } from './_cluster.ts';
import { listenOn } from './_cluster-upstream.ts';
import { startDaemon, temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { ask, chat } from './_simulate-client.ts';

/** Passes everything on to `url`, as a reverse proxy that ends TLS. */
function before(url: string, own: { key: string; cert: string }) {
  return listenOn(
    createServer({ key: own.key, cert: own.cert }, (incoming, response) => {
      const { method, headers } = incoming;
      const on = request(url + incoming.url, { method, headers: { ...headers, host: new URL(url).host } });
      on.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.on('error', () => response.destroy()).pipe(response);
      });
      on.on('error', () => response.destroy());
      response.on('close', () => on.destroy());
      incoming.pipe(on);
    }),
  );
}

it.each([
  ['an ollana', true],
  ['a plain Ollama', false],
])(
  '%s behind a proxy with a certificate of an authority is used, also where pairing is required',
  async (_what, serve) => {
    using folder = temporaryDirectory('https');
    const authority = join(folder.path, 'authority.pem');
    const own = selfSigned('localhost');
    writeFileSync(authority, own.cert);
    await using cluster: Cluster = await startCluster({
      serve,
      ollamas: [{ models: [{ name: 'm', tokensPerSecond: 200 }] }],
      server: { parallel: 1 },
    });
    const { url } = (serve ? cluster.servers : cluster.ollamas)[0]!;
    await using proxy = await before(url, own);
    await using client = await startDaemon({
      args: ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback', '--require-pairing'].concat(
        '--server',
        `https://localhost:${proxy.port}=gpu`,
      ),
      env: { NODE_EXTRA_CA_CERTS: authority },
    });
    await until(5000, 'it to be used', async () =>
      (await ask(client, '/api/tags')).text.includes('"m:latest"'),
    );
    // More than run at once: some wait by ticket.
    const answers = await Promise.all(
      Array.from({ length: 4 }, () =>
        ask(client, '/api/chat', chat('m', 'hi', { options: { num_predict: 20 } })),
      ),
    );
    for (const { status, complete, headers } of answers)
      expect([status, complete, headers['x-ollana-server']]).toEqual([200, true, 'gpu']);
  },
);

import { existsSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { listenOn } from './_cluster-upstream.ts';
import { run } from './_process.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** This Node, and those that the full suite brings along. */
const NODES = [
  process.execPath,
  ...['node-20.18', 'node-24'].map((name) => join(homedir(), '.cache/ollana-ci', name, 'bin/node')),
].filter((path) => existsSync(path));

/** Sends a body of each kind through the compiled transport, in a process that dies of any deprecation. */
const SCRIPT = `
  import { PassThrough } from 'node:stream';
  const [, file, url] = process.argv;
  const { Transport } = await import(file);
  const clock = { now: () => 0, wall: () => 0, after: () => () => {}, every: () => () => {} };
  const transport = new Transport({ clock, connectTimeoutMs: 1000 });
  for (const body of [Buffer.from('whole'), () => new PassThrough().end('streamed')]) {
    const rest = { url, method: 'POST', target: '//x?y', headers: { host: 'h' }, fresh: false };
    const arrival = await transport.send({ ...rest, body, client: new PassThrough() }).arrival;
    if (arrival.stage !== 'answered') throw arrival.error;
    for await (const chunk of arrival.response) process.stdout.write(chunk);
  }
  transport[Symbol.dispose]();
`;

describe('the transport', () => {
  it('runs without a deprecation warning on every Node at hand', { timeout: 90_000 }, async () => {
    // Inside the checkout, so that packages resolve.
    const outDir = join(ROOT, `dist-test-${process.pid}`);
    try {
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
      const project = join(ROOT, 'scripts/tsconfig.build.json');
      await run(process.execPath, [tsc, '-p', project, '--outDir', outDir, '--noCheck'], {
        timeoutMs: 60_000,
      });
      await using server = await listenOn(
        createServer((request, response) => {
          request.setEncoding('utf8').on('data', (text) => response.write(`${request.url} ${text}\n`));
          request.on('end', () => response.end());
        }),
      );
      for (const node of NODES) {
        for (const more of [[], ['--pending-deprecation']]) {
          const script = [
            '--input-type=module',
            '--eval',
            SCRIPT,
            join(outDir, 'proxy/transport.js'),
            server.url,
          ];
          const { stdout, stderr, code } = await run(node, ['--throw-deprecation', ...more, ...script]);
          expect({ node, more, stdout, code, stderr }).toMatchObject({
            stdout: '//x?y whole\n//x?y streamed\n',
            code: 0,
            stderr: '',
          });
        }
      }
    } finally {
      rmSync(outDir, { recursive: true, force: true });
    }
  });
});

import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startCollector } from './_collector.ts';
import { CLI, cleanEnvironment, startDaemon, temporaryDirectory } from './_daemon.ts';
import { TestProcess } from './_process.ts';

const MODULES = fileURLToPath(new URL('../node_modules', import.meta.url));
const ARGS = ['--port', '0', '--no-udp', '--no-mdns', '--log-format', 'json'];

/** Says at the end of the process which files of OpenTelemetry's it has loaded. */
const TELL = `
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';
const { cache } = createRequire(import.meta.url);
const names = () => Object.keys(cache).flatMap((path) => /@opentelemetry.([^/\\\\]+)/.exec(path)?.[1] ?? []);
if (isMainThread) process.on('exit', () => console.error('LOADED ' + JSON.stringify([...new Set(names())].sort())));
`;

async function loadedBy(env: Readonly<Record<string, string>>): Promise<readonly string[]> {
  using folder = temporaryDirectory('tell');
  const file = join(folder.path, 'tell.mjs');
  writeFileSync(file, TELL);
  const told = { ...env, NODE_OPTIONS: `--import=${pathToFileURL(file)}` };
  await using daemon = await startDaemon({ args: ARGS, env: told });
  if (env.OTEL_EXPORTER_OTLP_ENDPOINT)
    await daemon.process.waitFor(/spans of requests are exported|no spans are exported/);
  expect(await daemon.stop()).toBe(0);
  return JSON.parse((await daemon.process.waitFor(/LOADED (.*)/))[1]!);
}

describe('the SDK of OpenTelemetry', () => {
  it('is not loaded where no collector is named', async () => {
    // The API alone, which is some types and nothing that works, comes with the metrics.
    expect((await loadedBy({})).filter((name) => name !== 'api')).toEqual([]);
  });

  it('is loaded where one is, and only then seen by this test', async () => {
    await using collector = await startCollector();
    const loaded = await loadedBy({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
    expect(loaded).toEqual(expect.arrayContaining(['exporter-trace-otlp-http', 'sdk-trace-base']));
  });

  it('is named with its remedy where it is not installed, and the daemon serves without', async () => {
    using folder = temporaryDirectory('without');
    const modules = join(folder.path, 'node_modules');
    mkdirSync(modules);
    for (const name of readdirSync(MODULES))
      if (!name.startsWith('.') && name !== '@opentelemetry')
        symlinkSync(join(MODULES, name), join(modules, name), 'junction');
    cpSync(dirname(CLI), join(folder.path, 'dist'), { recursive: true });
    cpSync(join(MODULES, '../package.json'), join(folder.path, 'package.json'));
    await using daemon = await startDaemon({
      args: ARGS,
      launch: (command, [, ...args]) =>
        new TestProcess(command, [join(folder.path, 'dist/cli.js'), ...args], {
          env: cleanEnvironment({
            OLLANA_INTERFACE: 'lo',
            OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
          }),
        }),
    });
    const [line] = await daemon.process.waitFor(/.*no spans are exported.*/);
    expect(JSON.parse(line)).toMatchObject({
      remedy: expect.stringMatching(/npm install -g .*@opentelemetry\/exporter-trace-otlp-http@0/),
    });
    expect((await fetch(`${daemon.url}/api/version`)).status).toBeLessThan(600);
    expect(await daemon.stop()).toBe(0);
  });
});

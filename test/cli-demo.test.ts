import { expect, it } from 'vitest';
import { CLI, cleanEnvironment, temporaryDirectory } from './_daemon.ts';
import { TestProcess } from './_process.ts';

it('a demo that finds nobody says why and how its servers are named, and uses them then', async () => {
  using data = temporaryDirectory('demo');
  const run = (...args: string[]) =>
    new TestProcess(process.execPath, [CLI, ...args, '--data-dir', data.path], {
      env: cleanEnvironment({ OLLANA_INTERFACE: 'lo' }),
    });
  await using demo = run('demo', '--no-udp', '--no-mdns', '--port', '0', '--no-local-fallback');
  await demo.waitFor(/Ctrl-C ends everything/, 20_000);
  expect(demo.output).toContain('Discovery is switched off (--no-udp, --no-mdns)');
  expect(demo.output).not.toContain('Asking the network');
  const urls = [...demo.output.matchAll(/ollana add (http:\/\/127\.0\.0\.1:\d+)/g)].map(
    ([, url = '']) => url,
  );
  expect(urls).toHaveLength(2);
  for (const url of urls) {
    await using add = run('add', url);
    expect((await add.exited).code).toBe(0);
  }
  await demo.waitFor(/(found [\s\S]*){2}/, 10_000);
});

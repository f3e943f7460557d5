import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { CLI, startDaemon, temporaryDirectory } from './_daemon.ts';

/** Each takes half a millisecond of a start; there were 250 before they were bundled. */
const MOST = 40;

// How long it takes is for `npm run bench -- start`: a busy machine would fail a test of that.
it.each([
  ['ollana', []],
  ['ollana serve', ['serve']],
])('%s starts from few files of its own', async (_, args) => {
  using folder = temporaryDirectory('loaded');
  const env = { NODE_V8_COVERAGE: folder.path };
  await using daemon = await startDaemon({ args: [...args, '--port', '0', '--no-udp', '--no-mdns'], env });
  await daemon.process.waitFor(/ollana is ready/);
  expect(await daemon.stop()).toBe(0);
  const dist = pathToFileURL(dirname(CLI)).href;
  const loaded = new Set(scriptsIn(folder.path).filter((url) => url.startsWith(`${dist}/`)));
  expect(loaded).toContain(pathToFileURL(CLI).href);
  expect([...loaded].length, [...loaded].join('\n')).toBeLessThanOrEqual(MOST);
});

it('has each thread as a file of its own in the build', () => {
  const src = new URL('../src/', import.meta.url);
  const names = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => [...readFileSync(new URL(path, src), 'utf8').matchAll(/startOwnThread\('([^']+)'/g)])
    .map(([, name]) => name);
  expect(names.length).toBeGreaterThan(1);
  expect(names.filter((name) => !existsSync(join(dirname(CLI), `${name}.js`)))).toEqual([]);
});

/** Every script that Node has loaded, by its reports of what has run. */
function scriptsIn(folder: string): readonly string[] {
  return readdirSync(folder).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
      readonly result: readonly { readonly url: string }[];
    };
    return result.map(({ url }) => url);
  });
}

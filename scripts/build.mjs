// Compiles src/ to dist-modules/ with plain tsc, bundles that to dist/, and the dashboard's page to dist/dashboard/page/.
// Runs by itself after `npm install` in a checkout (package.json, prepare). dist-modules/ is not published: tests and
// benches import single modules from there. The old folders stay until the new ones are whole, so that a running test
// or daemon never sees half a build.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildCode } from './build-code.mjs';
import { buildPage } from './build-page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (name) => join(root, name);
/** Of each folder: its name, where it is made, where the last one goes meanwhile. dist/ last: its age is the build's. */
const folders = ['dist-modules', 'dist'].map((name) => ({
  place: at(name),
  draft: at(`${name}-new-${process.pid}`),
  old: at(`${name}-old-${process.pid}`),
}));
const [modules, dist] = folders.map(({ draft }) => draft);
const tsc = join(createRequire(import.meta.url).resolve('typescript/package.json'), '../bin/tsc');

try {
  const project = at('scripts/tsconfig.build.json');
  execFileSync(process.execPath, [tsc, '-p', project, '--outDir', modules], { stdio: 'inherit' });
  await buildCode(modules, dist);
  chmodSync(join(dist, 'cli.js'), 0o755);
  await buildPage(join(dist, 'dashboard/page'));
  for (const { place, draft, old } of folders) {
    if (existsSync(place)) renameSync(place, old);
    renameSync(draft, place);
  }
} catch (error) {
  console.error(`The build failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  for (const folder of folders.flatMap(({ draft, old }) => [draft, old]))
    rmSync(folder, { recursive: true, force: true });
}

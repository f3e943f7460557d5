// Compiles src/ to dist/ with plain tsc, and bundles the dashboard's page to dist/dashboard/page/. Runs by itself after `npm install` in a checkout (package.json, prepare).
// The old dist/ stays until the new one is whole, so that a running test or daemon never sees half a build.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPage } from './build-page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const draft = join(root, `dist-new-${process.pid}`);
const old = join(root, `dist-old-${process.pid}`);
const tsc = join(createRequire(import.meta.url).resolve('typescript/package.json'), '../bin/tsc');

try {
  const project = join(root, 'scripts/tsconfig.build.json');
  execFileSync(process.execPath, [tsc, '-p', project, '--outDir', draft], { stdio: 'inherit' });
  chmodSync(join(draft, 'cli.js'), 0o755);
  await buildPage(join(draft, 'dashboard/page'));
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(draft, dist);
} catch (error) {
  console.error(`The build failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  for (const folder of [draft, old]) rmSync(folder, { recursive: true, force: true });
}

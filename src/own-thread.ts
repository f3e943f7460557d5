import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { packageFile } from './package-files.ts';

/**
 * Starts a file of ours as a thread, built or, under tsx and in tests, from its source: a thread does not take over
 * what reads that. `name` is its path below `src`, without its ending; scripts/build-code.mjs names it, too, so that it
 * is a file of its own in `dist`. The thread has no variables of the environment.
 */
export function startOwnThread(name: string, workerData?: unknown): Worker {
  const options = { workerData, env: {}, execArgv: [] };
  if (!import.meta.url.endsWith('.ts')) return new Worker(packageFile(`dist/${name}.js`), options);
  const { href } = pathToFileURL(packageFile(`src/${name}.ts`));
  const boot = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(href)}); });`;
  return new Worker(boot, { ...options, eval: true });
}

import { Worker } from 'node:worker_threads';

/**
 * Starts a file of ours as a thread, compiled or, under tsx and in tests, from its source: a thread does not take over
 * what reads that. `module` is the `import.meta.url` of whoever asks, `name` the file beside it, without its ending. The
 * thread has no variables of the environment.
 */
export function startOwnThread(module: string, name: string, workerData?: unknown): Worker {
  const options = { workerData, env: {}, execArgv: [] };
  if (!module.endsWith('.ts')) return new Worker(new URL(`./${name}.js`, module), options);
  const { href } = new URL(`./${name}.ts`, module);
  const boot = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(href)}); });`;
  return new Worker(boot, { ...options, eval: true });
}

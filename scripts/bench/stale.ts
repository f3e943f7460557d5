import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Whether a source file has changed since `dist` was compiled: then the figures would be another program's. */
export function isStale(src: string, dist: string): boolean {
  const compiledAt = statSync(join(dist, 'cli.js')).mtimeMs;
  const files = readdirSync(src, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.some((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs > compiledAt);
}

/** The modules of a build, one by one, beside its bundle: what the benches themselves import. Pure. */
export function modulesOf(dist: string): string {
  return `${dist}-modules`;
}

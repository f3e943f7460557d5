import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

it('the workflow runs what is there, on every Node from the oldest that is supported', () => {
  const text = read('.github/workflows/ci.yml');
  const { scripts, engines } = JSON.parse(read('package.json')) as {
    readonly scripts: Record<string, string>;
    readonly engines: { readonly node: string };
  };
  const runs = [...text.matchAll(/^ +- run: (.+)$/gm)].map(([, command = '']) => command);
  expect(runs.length).toBeGreaterThan(3);
  const npm = runs.flatMap((command) => /^npm (?:run )?(\w+)/.exec(command)?.[1] ?? []);
  expect(npm).toContain('test');
  expect(npm.filter((name) => scripts[name] === undefined)).toEqual([]);
  const files = runs.flatMap((command) => /^(?:bash|node) ([\w./-]+)/.exec(command)?.[1] ?? []);
  expect(files).toContain('.ci/run');
  // What the build makes is there after it.
  expect(
    files.filter((file) => !file.startsWith('dist/') && !existsSync(new URL(`../${file}`, import.meta.url))),
  ).toEqual([]);
  const matrices = [...text.matchAll(/^ +node: \[(.+)\]$/gm)].map(([, nodes]) => nodes);
  expect(matrices.length).toBe(2);
  for (const nodes of matrices) expect(nodes).toContain(`"${engines.node.replace('>=', '')}"`);
});

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Variables that the tests themselves read; every other OLLANA_* of the caller would change what they test. */
const FOR_TESTS = new Set([
  'OLLANA_NO_SKIP',
  'OLLANA_REAL_OLLAMA',
  'OLLANA_REAL_MODEL',
  'OLLANA_RUST_BINARY',
  'OLLANA_RELEASE_NODE',
  'OLLANA_PACKAGE_NODES',
  'OLLANA_PYTHON_CLIENT',
]);

/** LAN and end-to-end tests assert on seconds: they run one file at a time, after the others. */
const RUNS = [
  { title: 'unit and loopback tests', exclude: ['test/lan/**', 'test/e2e/**'], parallel: true },
  { title: 'LAN tests, hosts in network namespaces', only: 'test/lan/', parallel: false },
  { title: 'end to end with the real Ollama and a browser', only: 'test/e2e/', parallel: false },
];

/**
 * Two minutes of a fleet in trouble, requests by the ten thousand, and what is slow and depends little on Node: once is
 * enough, and `--loopback` is for a second Node on the same machine.
 */
const ONCE = ['chaos', 'fuzz-*', 'health-*', 'cli-{health,models,config,run,reload}', 'loads', 'rust-*'].map(
  (name) => `test/${name}.test.ts`,
);

/** The caller's environment for a test run: no settings of an ollana in use here, discovery on loopback only. */
function testEnvironment() {
  const own = Object.entries(process.env).filter(([key]) => !key.startsWith('OLLANA_') || FOR_TESTS.has(key));
  return { ...Object.fromEntries(own), OLLANA_INTERFACE: 'lo' };
}

/**
 * Runs lint, types and every test, each under a headline, then prints why tests were skipped and, as the last line,
 * `N passed, N failed, N skipped` (lint, unused code, the package, and types count as one test each). `args`: `--loopback` for only the unit
 * and loopback tests but the longest, anything else filters test files. Resolves to the exit code: 1 when anything
 * failed, when no test ran, or when one was skipped under OLLANA_NO_SKIP=1.
 */
export async function runChecks(root, args) {
  const require = createRequire(join(root, 'package.json'));
  const env = testEnvironment();
  const run = (script, ...rest) =>
    spawnSync(process.execPath, [script, ...rest], { cwd: root, env, stdio: 'inherit' }).status === 0;
  // Not by `require.resolve`: these say nothing of their commands there.
  const bin = (...path) => join(root, 'node_modules', ...path);
  const headline = (title) => process.stdout.write(`\n== ${title}\n`);
  const filters = args.filter((arg) => arg !== '--loopback');
  const loopback = args.includes('--loopback');
  const total = { passed: 0, failed: 0, skipped: 0 };
  let ran = 0;
  const count = (ok) => {
    total[ok ? 'passed' : 'failed'] += 1;
  };

  if (!loopback && filters.length === 0) {
    headline('lint (biome)');
    count(run(require.resolve('@biomejs/biome/bin/biome'), 'check', '.'));
    // knip is an ES module that is asked for by `require`, which Node 20 has from 20.19 on: lint, not a test.
    if (process.features.require_module) {
      headline('unused code (knip)');
      count(run(bin('knip', 'bin', 'knip.js'), '--no-progress'));
    }
    headline('the package (publint)');
    count(run(bin('publint', 'src', 'cli.js'), 'run', '--strict'));
    headline('types (tsc)');
    count(run(join(require.resolve('typescript/package.json'), '..', 'bin', 'tsc'), '-p', 'tsconfig.json'));
  }

  const reasons = new Map();
  const folder = mkdtempSync(join(tmpdir(), 'ollana-test-'));
  for (const [index, plan] of RUNS.entries()) {
    if (loopback && plan.only !== undefined) continue;
    headline(plan.title);
    const file = join(folder, `${index}.json`);
    const order = {
      ...plan,
      ...(loopback && { exclude: [...plan.exclude, ...ONCE] }),
      filters: plan.only === undefined ? filters : filters.filter((f) => f.startsWith(plan.only)),
    };
    if (filters.length > 0 && order.filters.length === 0) {
      process.stdout.write('no file of these was asked for\n');
      continue;
    }
    run(join(root, 'scripts', 'newcomer', 'vitest.mjs'), file, JSON.stringify(order));
    const seen = totals(file);
    for (const key of Object.keys(total)) total[key] += seen[key];
    ran += seen.passed + seen.failed;
    for (const [reason, times] of seen.reasons) reasons.set(reason, (reasons.get(reason) ?? 0) + times);
  }
  rmSync(folder, { recursive: true, force: true });

  const strict = env.OLLANA_NO_SKIP === '1' && total.skipped > 0;
  process.stdout.write('\n');
  for (const [reason, times] of reasons) process.stdout.write(`skipped ${times}: ${reason}\n`);
  if (strict) process.stdout.write('OLLANA_NO_SKIP=1: a skipped test is a failure here\n');
  if (ran === 0) process.stdout.write('no test ran: that is a failure\n');
  process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
  return total.failed > 0 || strict || ran === 0 ? 1 : 0;
}

/** What a test run counted; a run that died before it could say counts as one failure. */
function totals(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    process.stdout.write('the test runner ended without counting its tests\n');
    return { passed: 0, failed: 1, skipped: 0, reasons: [] };
  }
}

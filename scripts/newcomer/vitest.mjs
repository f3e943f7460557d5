// Runs vitest with its own output and writes what it counted to a file, skip reasons included: none of vitest's
// reporters prints those.
//   node scripts/newcomer/vitest.mjs RESULT.json '{"only"?: folder, "exclude"?: globs, "parallel": bool, "filters": []}'
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { relative } from 'node:path';
import { startVitest } from 'vitest/node';

const [resultFile, json] = process.argv.slice(2);
const plan = JSON.parse(json);
const count = { passed: 0, failed: 0, skipped: 0, reasons: new Map() };

function countTest(test) {
  const result = test.result();
  if (result.state === 'passed') count.passed += 1;
  else if (result.state === 'failed') count.failed += 1;
  else {
    count.skipped += 1;
    const reason = result.note ?? `marked as skipped in ${relative(process.cwd(), test.module.moduleId)}`;
    count.reasons.set(reason, (count.reasons.get(reason) ?? 0) + 1);
  }
}

const totals = {
  onTestRunEnd(modules, errors) {
    count.failed += errors.length;
    for (const module of modules) {
      // A file that does not load, or whose hooks throw, fails without a failed test of its own.
      const before = count.failed;
      for (const test of module.children.allTests()) countTest(test);
      if (module.state() === 'failed' && count.failed === before) count.failed += 1;
    }
    writeFileSync(resultFile, JSON.stringify({ ...count, reasons: [...count.reasons] }));
  },
};

const filters = plan.filters.length > 0 ? plan.filters : plan.only === undefined ? [] : [plan.only];
const vitest = await startVitest('test', filters, {
  config: 'test/vitest.config.ts',
  run: true,
  watch: false,
  passWithNoTests: true,
  fileParallelism: plan.parallel,
  // Most tests wait for something most of the time: two files at once, also where there are but two cores.
  ...(plan.parallel && { maxWorkers: Math.max(2, availableParallelism() - 1) }),
  reporters: ['default', totals],
  ...(plan.exclude === undefined ? {} : { exclude: plan.exclude }),
});
await vitest.close();

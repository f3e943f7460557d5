import { beforeEach } from 'vitest';

/**
 * Skips every test of the calling file or `describe` when `reason` says why it cannot run here; `npm test` prints
 * the reasons. Under OLLANA_NO_SKIP=1 (CI, which installs everything) the tests fail with the reason instead.
 * Hooks still run in vitest, so a `beforeAll` beside it has to ask the same question.
 */
export function skipBecause(reason: string | undefined): void {
  if (reason === undefined) return;
  beforeEach((context) => {
    if (process.env.OLLANA_NO_SKIP === '1') throw new Error(`OLLANA_NO_SKIP=1, but: ${reason}`);
    context.skip(reason);
  });
}

import { describe, expect, it } from 'vitest';
import { comeLines, nextBegins } from '../src/cli/pull-come.ts';
import { advance, PULL_BEGUN } from '../src/ollama/pull-progress.ts';

const PART = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;

/** Lines as they come, each 100 ms after the one before. */
const heard = (...lines: readonly object[]) =>
  lines.reduce<typeof PULL_BEGUN>(
    (progress, line, i) => advance(progress, JSON.stringify(line), 100 * i),
    PULL_BEGUN,
  );

describe('where a pull comes from', () => {
  it('is told with the speed, of a server and of the internet', () => {
    const progress = heard(
      { status: 'copying from attic (LAN)', from: 'attic' },
      { status: 'copying', digest: PART, total: 30e6, completed: 10e6, from: 'attic' },
      { status: 'copying', digest: PART, total: 30e6, completed: 30e6, from: 'attic' },
      { status: 'pulling manifest' },
      { status: 'pulling', digest: PART, total: 30e6, completed: 30e6 },
      { status: 'pulling', digest: OTHER, total: 2e6 },
      { status: 'pulling', digest: OTHER, total: 2e6, completed: 1e6 },
      { status: 'pulling', digest: OTHER, total: 2e6, completed: 2e6 },
      { status: 'success' },
    );
    expect(progress).toMatchObject({ state: 'done', total: 32e6, completed: 32e6 });
    expect(comeLines('gpu', progress)).toEqual([
      'from attic (LAN) to gpu: 30 MB at 150 MB/s',
      'from the internet to gpu: 2.0 MB at 10 MB/s',
    ]);
  });

  it('is not told of what was there', () => {
    const lines = [{ status: 'pulling', digest: PART, total: 30e6, completed: 30e6 }, { status: 'success' }];
    expect(comeLines('gpu', heard(...lines))).toEqual([]);
  });

  it('counts a part that is begun anew by what came of it, and prints names as plain text', () => {
    const progress = heard(
      { digest: PART, total: 10, completed: 10, from: 'a' },
      { digest: PART, total: 10, completed: 4, from: 'b\u001b[31m' },
      { digest: PART, total: 10, completed: 10, from: 'b\u001b[31m' },
    );
    expect(comeLines('gpu', progress)).toEqual([
      'from a (LAN) to gpu: 10 B at 10 KB/s',
      'from b (LAN) to gpu: 6 B at 60 B/s',
    ]);
  });

  it('keeps twenty sources, whatever a server says', () => {
    const lines = Array.from({ length: 50 }, (_, i) => ({
      digest: `sha256:${i}`,
      total: 5,
      completed: 5,
      from: `s${i}`,
    }));
    expect(heard(...lines).sources.size).toBe(20);
  });
});

describe('the pull after one that was cut short', () => {
  const fetched = heard({ digest: PART, total: 30 }, { digest: PART, total: 30, completed: 10 });

  it('goes on inside the file where it came from the internet, and with the whole file where it was copied', () => {
    const copied = heard({ digest: PART, total: 30, completed: 10, from: 'attic' });
    expect(nextBegins([fetched])).toBe('the next one goes on from where it was');
    expect(nextBegins([fetched, copied])).toMatch(/^files that were whole stay, .*begins with the file/);
  });
});

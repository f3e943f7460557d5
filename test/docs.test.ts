import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS_PAGE, commandsPage, REMEDY } from '../scripts/docs/commands-page.ts';
import { anchorsOf, exists, linksOf, pages, read, readPage, wrong } from './_docs.ts';

describe('the documentation', () => {
  it('is there', () => {
    expect(pages.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['README.md', 'SECURITY.md', COMMANDS_PAGE, 'docs/getting-started.md']),
    );
  });

  it('has a README of two screens', () => {
    expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(120);
  });

  it('can be reached whole from README', () => {
    const found = new Set(['README.md']);
    for (const path of found)
      for (const target of linksOf(readPage(path))) {
        const [file = ''] = target.split('#');
        const next = normalize(join(dirname(path), file));
        if (/\.md$/.test(file) && !/^\w+:/.test(target) && exists(next)) found.add(next);
      }
    expect(pages.map(({ path }) => path).filter((path) => !found.has(path))).toEqual([]);
  });

  it('has links that lead somewhere, headings included', () => {
    const broken = wrong((page) =>
      linksOf(page).filter((target) => {
        if (/^[a-z]+:/.test(target)) return false;
        const [file = '', anchor] = target.split('#');
        const path = file === '' ? page.path : normalize(join(dirname(page.path), file));
        if (!exists(path)) return true;
        return anchor !== undefined && !anchorsOf(readPage(path)).has(anchor);
      }),
    );
    expect(broken).toEqual([]);
  });

  it('names files that are there', () => {
    const FILE = /^(?:src|scripts|docs|test|packaging|\.ci)\/[\w./-]+$/;
    expect(wrong(({ spans }) => spans.filter((span) => FILE.test(span) && !exists(span)))).toEqual([]);
  });

  it('has the page of commands that the code makes', () => {
    // By a flag, since the difference of two such pages is longer than its remedy.
    expect(read(COMMANDS_PAGE) === commandsPage(), `${COMMANDS_PAGE} is old: ${REMEDY}`).toBe(true);
  });
});

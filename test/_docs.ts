import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Top of the repository. */
const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Folders with nothing of ours in them. */
const FOREIGN = new Set(['node_modules', 'dist', 'dist-modules', 'release', 'shared', '.git', '.cache']);

/** A page of the documentation. */
export interface Page {
  /** From the top of the repository. */
  readonly path: string;
  readonly text: string;
  /** What is between backticks in running text, tables included. */
  readonly spans: readonly string[];
  /** What stands in fences, with their language. */
  readonly fences: readonly { readonly language: string; readonly text: string }[];
  /** The text without both. */
  readonly prose: string;
}

/** Files under a folder, from the top of the repository. */
export function filesUnder(folder: string, name: RegExp): readonly string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return FOREIGN.has(entry.name) ? [] : filesUnder(path, name);
    return entry.isFile() && name.test(entry.name) ? [relative(ROOT, join(ROOT, path))] : [];
  });
}

/** The text of a file, from the top of the repository. */
export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Reads a page. Throws when there is none. */
export function readPage(path: string): Page {
  const text = read(path);
  const fences: { language: string; text: string }[] = [];
  const rest = text.replace(/^```(\w*)\n([\s\S]*?)^```$/gm, (_, language: string, inside: string) => {
    fences.push({ language, text: inside });
    return '';
  });
  const spans: string[] = [];
  const prose = rest.replace(/`([^`]+)`/g, (_, span: string) => {
    spans.push(span.replace(/\s+/g, ' ').replaceAll('\\|', '|'));
    return '``';
  });
  return { path, text, spans, fences, prose };
}

/** Every page of the repository. */
export const pages: readonly Page[] = filesUnder('.', /\.md$/).map(readPage);

/** What is code on a page, in running text and in fences. */
export const codeOf = ({ spans, fences }: Page): readonly string[] => [
  ...spans,
  ...fences.map(({ text }) => text),
];

/** `page: what`, of everything on the pages that is wrong, once. */
export const wrong = (find: (page: Page) => readonly string[]): readonly string[] =>
  pages.flatMap((page) => [...new Set(find(page))].map((what) => `${page.path}: ${what}`));

/** The anchors that GitHub gives the headings of a page. */
export function anchorsOf({ text }: Page): ReadonlySet<string> {
  const plain = text.replace(/^```[\s\S]*?^```$/gm, '');
  const seen = new Map<string, number>();
  return new Set(
    [...plain.matchAll(/^#{1,6} (.+)$/gm)].map(([, title = '']) => {
      const slug = title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-');
      const count = seen.get(slug) ?? 0;
      seen.set(slug, count + 1);
      return count === 0 ? slug : `${slug}-${count}`;
    }),
  );
}

/** Where the links of a page lead, as they are written. */
export function linksOf({ prose }: Page): readonly string[] {
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

/** Whether there is such a file or folder, from the top of the repository. */
export function exists(path: string): boolean {
  return statSync(join(ROOT, path), { throwIfNoEntry: false }) !== undefined;
}

/** What stands before a command and is none itself: other commands that run it, and variables for it. */
const BEFORE = /^(?:(?:sudo|npx|exec|\$)\s+|[A-Z_]+=\S*\s+)+/;

/** The arguments of every call of `ollana` in a text: lines of a shell, joined by `|`, `&&`, `;`, `$(`; `[x]` is taken for `x`. */
export function ollanaCalls(text: string): readonly (readonly string[])[] {
  const lines = text
    .replace(/\\\n\s*/g, ' ')
    .replace(/\[([^\]\n]*)\]/g, '$1')
    .split('\n');
  return lines
    .flatMap((line) => line.replace(/(^|\s)#.*$/, '').split(/&&|\|\||[|;]|[$<]\(|\('|'\)|\)|[{}]/))
    .flatMap((part) => {
      const [name, ...args] = wordsOf(part.trim().replace(/^["']/, '').replace(BEFORE, ''));
      return name === 'ollana' ? [args.filter((_, i) => !isRedirect(args, i))] : [];
    });
}

const isRedirect = (args: readonly string[], i: number): boolean =>
  /^>/.test(args[i] ?? '') || /^>+$/.test(args[i - 1] ?? '');

/** Words as a shell splits them, as far as documentation quotes. */
function wordsOf(text: string): readonly string[] {
  return [...text.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map(([word]) => word.replace(/["']/g, ''));
}

import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS_PAGE, commandsPage, REMEDY } from '../scripts/docs/commands-page.ts';
import { findCommand, readFlags } from '../src/cli/argv.ts';
import { COMMAND_TEXTS } from '../src/cli/help.ts';
import type { Command, Option } from '../src/config/option.ts';
import { OPTIONS, optionsOf } from '../src/config/options.ts';
import { decode } from '../src/discovery/wire.ts';
import { CHECKS } from '../src/observe/health/checks.ts';
import { COUNTERS, GAUGES, HISTOGRAMS } from '../src/observe/metric-table.ts';
import { ROUTES } from '../src/ollama/routes.ts';
import { anchorsOf, exists, filesUnder, linksOf, ollanaCalls, type Page, ROOT, readPage } from './_docs.ts';

const pages = filesUnder('.', /\.md$/).map(readPage);
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const codeOf = ({ spans, fences }: Page) => [...spans, ...fences.map(({ text }) => text)];
/** `page: what`, of everything on the pages that is wrong, once. */
const wrong = (find: (page: Page) => readonly string[]): readonly string[] =>
  pages.flatMap((page) => [...new Set(find(page))].map((what) => `${page.path}: ${what}`));

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

/** The actions that a usage line such as `ollana key add NAME | list` knows, if it knows any. */
const actionsOf = (command: Command): ReadonlySet<string> =>
  new Set(COMMAND_TEXTS[command].usage.split(/[\s|[\]]+/).slice(2));
const WITH_ACTIONS: ReadonlySet<Command> = new Set(['key', 'device', 'config', 'port', 'completion']);

/** What is wrong with the calls in a text. */
const faultsIn = (text: string): readonly string[] =>
  ollanaCalls(text).flatMap((args) => faultOf(args) ?? []);

/** What is wrong with a call, or nothing. */
function faultOf(args: readonly string[]): string | undefined {
  try {
    const { command, args: rest } = findCommand(args);
    const { flags, words = [] } = readFlags(command, rest);
    const [action] = words;
    if (action !== undefined && WITH_ACTIONS.has(command) && !actionsOf(command).has(action))
      throw new RangeError(`ollana ${command} does not know ${action}`);
    for (const [name, value] of Object.entries(flags)) {
      const option = optionsOf(command).find(({ flag }) => flag === name);
      // Capitals stand for something else: `--on SERVER`.
      const texts = [value]
        .flat()
        .filter((one) => typeof one === 'string' && !/^[A-Z]+(?:=[A-Z]+)?$/.test(one));
      for (const text of texts) option?.parse(String(text));
    }
    return undefined;
  } catch (error) {
    return `ollana ${args.join(' ')}: ${(error as Error).message}`;
  }
}

describe('commands in the documentation', () => {
  const SHELLS = new Set(['sh', 'bash', 'console', 'powershell']);
  const shellOf = ({ fences }: Page) => fences.filter(({ language }) => SHELLS.has(language));
  const callsOf = (page: Page) =>
    [...shellOf(page).map(({ text }) => text), ...page.spans].flatMap((text) => ollanaCalls(text));

  it('are many, and are found where they hide', () => {
    expect(pages.flatMap(callsOf).length).toBeGreaterThan(150);
    const hidden = [
      'eval "$(ollana env)"',
      'A=b sudo ollana -d && ollana status | less',
      'ollana logs > f # x',
    ];
    expect(hidden.flatMap((text) => ollanaCalls(text).map((args) => args.join(' ')))).toEqual([
      'env',
      '-d',
      'status',
      'logs',
    ]);
  });

  it('are such as the command line takes, with their flags, values and actions', () => {
    expect(wrong((page) => shellOf(page).flatMap(({ text }) => faultsIn(text)))).toEqual([]);
    // In running text a command is also called by its name alone.
    const named = (text: string) =>
      (/^ollana [a-z]+$/.test(text) && findCommand(text.split(' ').slice(1))) || undefined;
    expect(wrong(({ spans }) => spans.flatMap((text) => (named(text) ? [] : faultsIn(text))))).toEqual([]);
  });

  it('of npm run and node are there', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const missing = wrong((page) =>
      codeOf(page).flatMap((text) => [
        ...[...text.matchAll(/npm run ([\w-]+)/g)]
          .map(([, name = '']) => name)
          .filter((name) => !scripts[name]),
        ...[...text.matchAll(/(?:node|tsx|bash|-f) ((?:scripts|packaging|\.ci)\/[\w./-]+)/g)]
          .map(([, file = '']) => file)
          .filter((file) => !exists(file)),
      ]),
    );
    expect(missing).toEqual([]);
  });

  it('mention flags that there are', () => {
    const flags = new Set(Object.values<Option>(OPTIONS).map(({ flag }) => flag));
    const others = filesUnder('scripts', /\.(ts|mjs)$/)
      .map(read)
      .join('\n');
    const known = (name: string) =>
      flags.has(name) ||
      flags.has(name.replace(/^no-/, '')) ||
      FOREIGN_FLAGS.has(name) ||
      others.includes(`${name}: {`);
    const names = ({ spans }: Page) =>
      spans.flatMap((span) => [...span.matchAll(/^--([a-z][\w-]*)/g)].map(([, name = '']) => name));
    expect(wrong((page) => names(page).filter((name) => !known(name)))).toEqual([]);
  });
});

/** Flags of other programs, of which a page speaks alone. */
const FOREIGN_FLAGS = new Set(['network', 'loopback', 'help', 'version', 'x', 'no-x', 'cluster-domain']);

describe('names in the documentation', () => {
  const sources = [
    ...['src', 'scripts', 'packaging', '.ci'].flatMap((folder) => filesUnder(folder, /./)),
    ...filesUnder('test', /\.(ts|mjs)$/).filter((path) => !/\/_?docs\./.test(path)),
    'ollana.service',
  ].map(read);

  it('of environment variables and error codes are in the source', () => {
    const VARIABLE = /\b(?:OLLANA|OLLAMA|OPENAI|ANTHROPIC|CODEX)_[A-Z_]*[A-Z]\b/g;
    const known = new Set(sources.flatMap((text) => text.match(VARIABLE) ?? []));
    expect(
      wrong(({ text }) => (text.match(VARIABLE) ?? []).filter((one) => !known.has(one) && !APPS.has(one))),
    ).toEqual([]);
  });

  it('of HTTP paths are answered', () => {
    const literals = filesUnder('src', /\.ts$/).flatMap((path) =>
      [...read(path).matchAll(/'(\/[\w./-]*)'/g)].map(([, literal = '']) => literal),
    );
    const known = new Set([...literals, ...ROUTES.map(({ path }) => path)]);
    // By these the source tells whose a path is, not whether there is one.
    const rooms = ['/', '/ollana/', '/api/', '/v1/', '/dashboard/'];
    const prefixes = [...known].filter((path) => path.endsWith('/') && !rooms.includes(path));
    // What clients are told as a base URL is no path that anybody asks for.
    const answered = (path: string) =>
      path === '/v1' || known.has(path) || prefixes.some((prefix) => path.startsWith(prefix));
    // `GET /path` wherever it leads; other paths by where they begin; URLs of an ollana.
    const PATH =
      /(?:\b(?:GET|HEAD|POST|PUT|DELETE) |(?:localhost|127\.0\.0\.1|HOST):11435(?=\/)|(?<![\w./:~}]))(\/[\w./-]*)/g;
    const OURS =
      /^\/(?:api|v1|ollana|dashboard|nodes|jobs|logs|healthz|fleet|status|add_server|sync_servers|servers|reload|metrics)(?:\/|$)/;
    const pathsOf = (text: string) =>
      [...text.matchAll(PATH)].flatMap(([all, path = '']) => (all !== path || OURS.test(path) ? [path] : []));
    expect(pages.flatMap((page) => codeOf(page).flatMap(pathsOf)).length).toBeGreaterThan(80);
    expect(
      wrong((page) =>
        codeOf(page)
          .flatMap(pathsOf)
          .filter((path) => !answered(path)),
      ),
    ).toEqual([]);
  });

  it('of metrics and health checks are there', () => {
    const metrics = [COUNTERS, GAUGES, HISTOGRAMS].flatMap((table) =>
      Object.values(table).map(({ name }: { readonly name: string }) => name),
    );
    expect(metrics.length).toBeGreaterThan(20);
    const METRIC = /^ollana_[a-z_]+$/;
    expect(
      wrong(({ spans }) => spans.filter((span) => METRIC.test(span) && !metrics.includes(span))),
    ).toEqual([]);
    const trouble = readPage('docs/troubleshooting.md');
    expect(CHECKS.map(({ id }) => id).filter((id) => !trouble.spans.includes(id))).toEqual([]);
  });
});

/** Variables that other programs read. */
const APPS = new Set(['OLLAMA_BASE_URL', 'CODEX_OSS_BASE_URL']);

describe('the table of bytes', () => {
  const page = readPage('docs/protocol.md');

  it('has no gap', () => {
    const rows = [...page.text.matchAll(/^\| (\d+) \| (\d+|n) \| /gm)].map(([, at, size]) => [at, size]);
    expect(rows.length).toBe(8);
    let next = 0;
    for (const [at, size] of rows) {
      expect(Number(at)).toBe(next);
      next += Number(size);
    }
  });

  it('has an example that the code reads', () => {
    const [hex = ''] = page.fences.flatMap(({ text }) => (text.startsWith('4c414e41') ? [text] : []));
    expect(decode(Buffer.from(hex.replace(/\s/g, ''), 'hex'))).toEqual({
      kind: 'announcement',
      speaker: { httpPort: 11435, deviceId: 'ab'.repeat(32), name: 'attic' },
    });
  });
});

/** What a page says of a number in the source: file, constant, page, and its words with `#` for the number. */
const NUMBERS = [
  ['src/server/feed.ts', 'MAX_WATCHERS', 'docs/protocol.md', '503 where # watch already'],
  ['src/server/feed.ts', 'MAX_WATCHERS', 'docs/operations.md', '# follow it by a stream'],
  ['src/server/feed.ts', 'MAX_PER_PEER', 'docs/protocol.md', 'or # of one address'],
  ['src/server/ticket-wire.ts', 'MAX_TICKET_BYTES', 'docs/protocol.md', '(# bytes at most)'],
  ['src/server/ticket-door.ts', 'MAX_PER_SECOND', 'docs/protocol.md', 'over # a second of one address'],
  ['src/server/queues.ts', 'MAX_PER_DEVICE', 'docs/protocol.md', '# waiting of a device'],
  ['src/server/queues.ts', 'MAX_PER_DEVICE', 'docs/operations.md', '# of a device'],
  ['src/server/queues.ts', 'MAX_IN_ALL', 'docs/operations.md', '1024 of an address, # in all'],
  ['src/daemon/peer-connections.ts', 'MAX_PER_PEER', 'docs/operations.md', '| # of one address'],
  ['src/daemon/peer-connections.ts', 'MAX_IN_ALL', 'docs/operations.md', '512 of one address, # in all'],
  ['src/discovery/wire.ts', 'QUERY_BYTES', 'docs/protocol.md', 'padded with zeros to # bytes'],
  ['src/discovery/mdns-advertiser.ts', 'NAME_BYTES', 'docs/protocol.md', 'the name cut to # bytes'],
] as const;

describe('numbers in the documentation', () => {
  it.each(NUMBERS)('%s: %s, in %s', (file, name, page, words) => {
    const [, value] = new RegExp(`const ${name} = (\\d+);`).exec(read(file)) ?? [];
    expect(value).toBeDefined();
    expect(read(page).replace(/\s+/g, ' ')).toContain(words.replace('#', String(value)));
  });
});

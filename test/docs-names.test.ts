import { describe, expect, it } from 'vitest';
import { decode } from '../src/discovery/wire.ts';
import { CHECKS } from '../src/observe/health/checks.ts';
import { COUNTERS, GAUGES, HISTOGRAMS } from '../src/observe/metric-table.ts';
import { ROUTES } from '../src/ollama/routes.ts';
import { codeOf, filesUnder, pages, read, readPage, wrong } from './_docs.ts';

describe('names in the documentation', () => {
  const sources = [
    ...['src', 'scripts', 'packaging', '.ci'].flatMap((folder) => filesUnder(folder, /./)),
    ...filesUnder('test', /\.(ts|mjs)$/).filter((path) => !/\/_?docs[.-]/.test(path)),
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
    const rows = [...page.text.matchAll(/^\| (\d+) +\| (\d+|n) +\| /gm)].map(([, at, size]) => [at, size]);
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

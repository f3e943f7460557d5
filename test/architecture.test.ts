import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/** Rooms from the top down: each may import from those below it and from the ground floor. */
const ROOMS = [
  'cli',
  'daemon',
  'dashboard',
  'observe',
  'proxy',
  'server',
  'routing',
  'fleet',
  'discovery',
  'ollama',
  'security',
];
const GROUND = ['config', 'errors', 'clock', 'limits', 'own-thread', 'package-files'];
/** What stands on nothing of ours, and the rest of the ground floor may stand on. */
const BASE = ['limits', 'package-files'];

/** What else may be imported: the demo and its fleet stand on simulated Ollamas, which stand on nothing. */
const ALSO: Readonly<Record<string, readonly string[]>> = { cli: ['simulate'], daemon: ['simulate'] };

/** Third-party packages, and node:dgram, each with the one place that may know it. */
const PACKAGES: Readonly<Record<string, RegExp>> = {
  'http-proxy': /^proxy\/transport\.ts$/,
  '@fastify/busboy': /^ollama\/form-model\.ts$/,
  fzstd: /^ollama\/decode-zstd\.ts$/,
  'eventsource-parser': /^fleet\/feed-reader\.ts$/,
  'smol-toml': /^config\/toml\.ts$/,
  citty: /^cli(\.ts|\/)/,
  pino: /^observe\/log\.ts$/,
  'node:dgram': /^discovery\/udp\.ts$/,
  'node-sqlite3-wasm': /^observe\/trace-file\.ts$/,
  '@opentelemetry/api': /^observe\/otel-sdk\.ts$/,
  '@opentelemetry/exporter-trace-otlp-http': /^observe\/otel-sdk\.ts$/,
  '@opentelemetry/resources': /^observe\/otel-sdk\.ts$/,
  '@opentelemetry/sdk-trace-base': /^observe\/otel-sdk\.ts$/,
  'prom-client': /^observe\/metrics\.ts$/,
  'dns-packet': /^discovery\/dns-wire\.ts$/,
  '@homebridge/ciao': /^discovery\/mdns\.ts$/,
  'fast-srp-hap': /^security\/pairing\.ts$/,
  'multicast-dns': /^discovery\/mdns\.ts$/,
  systeminformation: /^server\/machine-probe\.ts$/,
};

/** `import ... from 'x'`, `export ... from 'x'`, `import 'x'`; `import('x')`, `require('x')`, `createRequire(...)('x')`. */
const IMPORT =
  /^(?:import|export)\s+(?:[^;'"]*?\sfrom\s*)?'([^']+)'|(?:\bimport|\brequire|\bcreateRequire\([^)]*\))\(\s*'([^']+)'/gm;

/** A file longer than this is a defect. */
const MAX_LINES = 300;

interface Source {
  /** Path below `src`, with `/`. */
  readonly path: string;
  /** Without comments; the texts of strings are kept. */
  readonly code: string;
  readonly lines: number;
  readonly imports: readonly string[];
}

const sources: readonly Source[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map((path) => {
    const text = readFileSync(join(SRC, path), 'utf8');
    const code = withoutComments(text);
    const imports = [...code.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? '');
    return { path, code, lines: text.split('\n').length - 1, imports };
  });

/** `cli` of `cli.ts` and `cli/help.ts`. */
const roomOf = (path: string): string => path.replace(/\.ts$/, '').split('/')[0] ?? '';

/** Paths below `src` that a file imports. */
const ownImports = ({ path, imports }: Source): string[] =>
  imports
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(SRC, join(SRC, dirname(path), name)).replaceAll('\\', '/'));

function mayImport(from: string, to: string): boolean {
  if (from === to || ALSO[from]?.includes(to)) return true;
  if (GROUND.includes(to)) return !GROUND.includes(from) || from === 'config' || BASE.includes(to);
  const [upper, lower] = [ROOMS.indexOf(from), ROOMS.indexOf(to)];
  return upper !== -1 && lower > upper;
}

const offenders = (pattern: RegExp, allowed: RegExp): string[] =>
  sources.filter(({ path, code }) => pattern.test(code) && !allowed.test(path)).map(({ path }) => path);

describe('the map of the code', () => {
  it('is read at all', () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(sources.find(({ path }) => path === 'proxy/front.ts')?.imports).toContain('../errors.ts');
  });

  it('has no other rooms than these', () => {
    const rooms = new Set(sources.map(({ path }) => roomOf(path)));
    expect([...rooms].filter((room) => ![...ROOMS, ...GROUND, 'simulate'].includes(room))).toEqual([]);
  });

  it('lets imports go down only', () => {
    const wrong = sources.flatMap((source) =>
      ownImports(source)
        .filter((to) => !mayImport(roomOf(source.path), roomOf(to)))
        .map((to) => `${source.path} -> ${to}`),
    );
    expect(wrong).toEqual([]);
  });

  it('has discovery know nobody who uses it', () => {
    const wrong = sources
      .filter(({ path }) => path.startsWith('discovery/'))
      .flatMap((source) => ownImports(source).filter((to) => !['discovery', ...GROUND].includes(roomOf(to))));
    expect(wrong).toEqual([]);
  });

  it('has no cycles, types aside, which are gone when it runs', () => {
    const graph = new Map(
      sources.map((source) => [source.path, ownImports({ ...source, imports: importsOfValues(source) })]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path))
        return void cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      if (done.has(path)) return;
      for (const to of graph.get(path) ?? []) visit(to, [...trail, path]);
      done.add(path);
    };
    for (const path of graph.keys()) visit(path, []);
    expect(cycles).toEqual([]);
  });

  it('imports only files that are there, with their ending', () => {
    const paths = new Set(sources.map(({ path }) => path));
    const missing = sources.flatMap((source) =>
      ownImports(source)
        .filter((to) => !paths.has(to) && !to.endsWith('package.json'))
        .map((to) => `${source.path} -> ${to}`),
    );
    expect(missing).toEqual([]);
  });

  it('keeps each package in its one place', () => {
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter((name) => !name.startsWith('.'))
        .filter((name) => {
          const place = PACKAGES[name];
          if (place) return !place.test(path);
          return !name.startsWith('node:') || !builtinModules.includes(name.slice('node:'.length));
        })
        .map((name) => `${path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('what only one place may do', () => {
  it.each([
    { what: 'a default export', pattern: /\bexport\s+default\b|\bas\s+default\b/, allowed: /^$/ },
    { what: 'a barrel', pattern: /\bexport\s+\*|\bexport\s*\{[^}]*\}\s*from\b/, allowed: /^$/ },
    {
      what: 'reading the environment',
      pattern: /\bprocess\s*\.\s*env\b/,
      allowed: /^(cli\/|cli\.ts|config\/|config\.ts)/,
    },
    {
      what: 'ending the process',
      pattern: /\bprocess\s*\.\s*(exit|abort)\s*\(/,
      allowed: /^(cli\/|cli\.ts)/,
    },
    {
      what: 'timers and the time',
      pattern: /\b(setTimeout|setInterval)\b|\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\s*\./,
      allowed: /^clock\.ts$/,
    },
    { what: 'an abort by time', pattern: /\bAbortSignal\.(timeout|any)\b/, allowed: /^cli\// },
    { what: 'dice', pattern: /\bMath\.random\s*\(/, allowed: /^$/ },
    { what: 'the console', pattern: /\bconsole\s*\./, allowed: /^$/ },
  ])('$what', ({ pattern, allowed }) => {
    expect(offenders(pattern, allowed)).toEqual([]);
  });

  it('no module has state that changes', () => {
    const wrong = sources.filter(({ code }) =>
      /^(export )?(let|var) /m.test(code.replace(/`(?:\\.|[^`\\])*`/g, '``')),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it('the rules without I/O import nothing that has any', () => {
    const pure = [
      ...['discovery/wire.ts', 'fleet/probe-plan.ts', 'fleet/verdict-rules.ts', 'ollama/body-scan.ts'],
      ...['ollama/names.ts', 'ollama/routes.ts', 'proxy/ends.ts', 'proxy/headers.ts', 'proxy/merge.ts'],
      ...['proxy/retry.ts', 'routing/policy.ts', 'security/origin-rules.ts', 'server/exposure.ts'],
      ...['routing/finish.ts', 'routing/assumed-cost.ts', 'routing/context.ts', 'routing/substitute.ts'],
      ...['fleet/cost-rules.ts', 'fleet/ejection.ts', 'ollama/counters.ts', 'server/slots.ts'],
      ...[
        'server/memory-learning.ts',
        'server/registry-rules.ts',
        'security/token-bucket.ts',
        'server/parallel-learning.ts',
        'server/ticket-wire.ts',
      ],
    ];
    const wrong = pure.flatMap((path) => {
      const source = sources.find((one) => one.path === path);
      if (!source) return [`${path} is gone`];
      return importsOfValues(source)
        .filter((name) => name.startsWith('node:'))
        .map((name) => `${path} -> ${name}`);
    });
    expect(wrong).toEqual([]);
  });
});

describe('the size of files', () => {
  it(`is at most ${MAX_LINES} lines`, () => {
    expect(
      sources.filter(({ lines }) => lines > MAX_LINES).map(({ path, lines }) => `${path}: ${lines}`),
    ).toEqual([]);
  });
});

/** Imports that are there at run time. */
function importsOfValues({ code }: Source): string[] {
  return [...code.matchAll(/\bimport\s+(?!type\b)[^;]*?from\s*'([^']+)'/g)].map(([, name]) => name ?? '');
}

/** Blanks comments out, and leaves strings and templates alone; regular expressions hold no quotes here. */
function withoutComments(text: string): string {
  return text.replace(
    /\/\*[\s\S]*?\*\/|(^|[\s;{}(,])\/\/[^\n]*|('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")/g,
    (_all, before: string | undefined, string: string | undefined) => string ?? before ?? '',
  );
}

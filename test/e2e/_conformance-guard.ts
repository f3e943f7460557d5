import { type Case, cases, type Row } from './_conformance-case.ts';

const VERSION = 'GET /api/version';
const body = { model: 'smol' };
const PREFLIGHT = [
  ['Access-Control-Request-Method', 'POST'],
  ['Access-Control-Request-Headers', 'content-type'],
] as const;

type Headers = Case['headers'];

/** A row whose point is its headers; `what` is `METHOD PATH`, and a POST carries a model. */
function row(status: number, name: string, headers: Headers, what = VERSION): Row {
  const [method = '', path = ''] = what.split(' ');
  return [
    status,
    name,
    method,
    path,
    method === 'POST' ? body : undefined,
    { headers, compare: compareOf(what) },
  ];
}

const compareOf = (what: string) => (what === 'POST /api/show' ? 'lines' : 'exact');
const page = (status: number, name: string, origin: string, what?: string) =>
  row(status, name, [['Origin', origin]], what);
const called = (status: number, name: string, host: string, what?: string) =>
  row(status, name, [['Host', host]], what);
const preflight = (status: number, name: string, headers: Headers, path = '/api/chat') =>
  row(status, name, [...headers, ...PREFLIGHT], `OPTIONS ${path}`);

const HERE = 'http://localhost:3000';
const EVIL = 'https://evil.example';

/** Who may ask at all. */
export const GUARD: readonly Case[] = cases([
  page(200, 'a page of this machine', HERE),
  page(200, 'a page of this machine that lists', 'https://127.0.0.1:8443', 'GET /api/tags'),
  page(200, 'a page of this machine that lists by v1', HERE, 'GET /v1/models'),
  page(200, 'a page of this machine that shows', 'http://localhost', 'POST /api/show'),
  page(400, 'a page of this machine that errs', HERE, 'POST /api/create'),
  page(404, 'a page of this machine on a path that is none', HERE, 'GET /nothing'),
  page(200, 'a desktop app', 'app://obsidian.md'),
  page(200, 'an editor', 'vscode-webview://abc'),
  page(200, 'the same origin', 'http://127.0.0.1:11434'),
  page(200, 'the same origin by https', 'https://127.0.0.1:11434'),
  page(403, 'a foreign page', EVIL),
  page(403, 'a foreign page that posts', EVIL, 'POST /api/chat'),
  page(403, 'a foreign page at the root', EVIL, 'GET /'),
  page(403, 'a foreign page on a path that is none', EVIL, 'GET /nothing'),
  page(403, 'a page of nowhere', 'null'),
  page(403, 'a name that begins like this machine', 'http://localhost.evil.example'),
  page(403, 'a browser extension', 'chrome-extension://abc'),
  page(403, 'an Origin that is no address', 'nonsense'),
  page(200, 'an empty Origin', ''),
  page(403, 'an Origin in capitals', 'HTTP://LOCALHOST:3000'),
  preflight(204, 'a preflight of this machine', [['Origin', HERE]]),
  preflight(204, 'a preflight of this machine for a path that is none', [['Origin', HERE]], '/nothing'),
  preflight(405, 'a preflight of the same origin', [['Origin', 'http://127.0.0.1:11434']]),
  preflight(403, 'a preflight of a foreign page', [['Origin', EVIL]]),
  row(405, 'OPTIONS without an Origin', [], 'OPTIONS /api/chat'),
  row(404, 'OPTIONS without an Origin on a path that is none', [], 'OPTIONS /nothing'),
  called(204, 'OPTIONS by name', 'localhost:11434', 'OPTIONS /api/chat'),
  called(204, 'OPTIONS by name on a path that is none', 'localhost:11434', 'OPTIONS /nothing'),
  called(403, 'OPTIONS by a foreign name', 'evil.example', 'OPTIONS /api/chat'),
  preflight(204, 'a preflight by name', [
    ['Host', 'localhost'],
    ['Origin', HERE],
  ]),
  called(200, 'the Host localhost', 'localhost:11434'),
  called(200, 'the Host localhost without a port', 'localhost'),
  called(200, 'a Host in capitals', 'LOCALHOST:11434'),
  called(200, 'a Host of the local network', 'gpu1.local:11434'),
  called(200, 'a Host of Docker', 'host.docker.internal:11434'),
  called(200, 'a private address', '192.168.1.20:11434'),
  called(200, 'the address of all interfaces', '0.0.0.0:11434'),
  called(200, 'an IPv6 address', '[::1]:11434'),
  called(403, 'an IPv6 address without a port', '[::1]'),
  called(403, 'a foreign Host', 'evil.example'),
  called(403, 'a foreign Host that posts', 'evil.example:11434', 'POST /api/chat'),
  called(403, 'a foreign address', '8.8.8.8:11434'),
  called(403, 'an address of a carrier', '100.64.0.1:11434'),
  called(200, 'an empty Host', ''),
  called(403, 'a local name with a dot at its end', 'localhost.:11434'),
  row(403, 'a foreign Host with its own Origin', [
    ['Host', 'evil.example'],
    ['Origin', 'http://evil.example'],
  ]),
  row(403, 'a foreign Host with an allowed Origin', [
    ['Host', 'evil.example'],
    ['Origin', HERE],
  ]),
]);

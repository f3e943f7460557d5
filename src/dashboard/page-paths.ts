import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathOf } from '../ollama/routes.ts';
import { packageFile } from '../package-files.ts';
import { answerError } from '../proxy/error-answer.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson, answerText } from '../proxy/front.ts';
import type { Live } from './live.ts';

/** Where `scripts/build.mjs` puts the page. */
const BUILT = packageFile('dist/dashboard/page');

const EVENTS = '/dashboard/events';
/** Path, file and type of everything that the page is made of. */
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/dashboard': ['index.html', 'text/html; charset=utf-8'],
  '/dashboard/': ['index.html', 'text/html; charset=utf-8'],
  '/dashboard/app.js': ['app.js', 'text/javascript; charset=utf-8'],
  '/dashboard/app.css': ['app.css', 'text/css; charset=utf-8'],
  '/dashboard/icon.svg': ['icon.svg', 'image/svg+xml'],
};

/** The page is all its own: nothing inline, nothing from elsewhere, in nobody's frame. */
const GUARDED = [
  'Content-Security-Policy',
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options',
  'nosniff',
  'X-Frame-Options',
  'DENY',
  'Referrer-Policy',
  'no-referrer',
  'Cross-Origin-Opener-Policy',
  'same-origin',
  'Cache-Control',
  'no-cache',
];

/**
 * Answers `GET /dashboard`, its files and its stream of changes, and `GET /` to a browser, which asks for `text/html`;
 * returns false for all else. For this machine only, as the numbers that it shows are.
 */
export function pagePaths(live: Pick<Live, 'add'>): (exchange: Exchange) => boolean {
  return (exchange) => {
    const path = pathOf(exchange.target);
    const file = Object.hasOwn(FILES, path) ? FILES[path] : undefined;
    if (!exchange.fromHere || !(file || path === EVENTS)) return false;
    const { method, request, response } = exchange;
    const isRead = method === 'GET' || method === 'HEAD';
    if (path === '/' && !(isRead && isBrowser(request.headers.accept))) return false;
    if (!isRead || (path === EVENTS && method !== 'GET')) {
      exchange.extraHeaders.push('Allow', 'GET');
      answerJson(exchange, 405, { error: `${path} takes GET` });
    } else if (!file) live.add(response, lastId(request.headers['last-event-id']));
    else show(exchange, ...file).catch((error: unknown) => answerError(exchange, error));
    return true;
  };
}

/** Programs that ask whether Ollama runs take anything. */
function isBrowser(accept: string | undefined): boolean {
  return accept !== undefined && /(^|,)\s*text\/html\s*(;|,|$)/i.test(accept);
}

function lastId(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' ? header.slice(0, 100) : undefined;
}

async function show(exchange: Exchange, file: string, type: string): Promise<void> {
  const { request, response, method, extraHeaders } = exchange;
  // Read each time: it is a few kB, and a new build must be seen.
  const body = await readFile(join(BUILT, file)).catch(() => undefined);
  if (!body) {
    const remedy = 'run `npm run build` where ollana was checked out; a released ollana has it';
    return answerText(exchange, 503, `The dashboard has not been built: ${remedy}.\n`);
  }
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  const headers = [...extraHeaders, ...GUARDED, 'ETag', etag, 'Vary', 'Accept'];
  if (request.headers['if-none-match']?.includes(etag)) {
    response.writeHead(304, headers);
    response.end();
    return;
  }
  response.writeHead(200, [...headers, 'Content-Type', type, 'Content-Length', String(body.length)]);
  response.end(method === 'HEAD' ? undefined : body);
}

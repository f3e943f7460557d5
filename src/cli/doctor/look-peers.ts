import { get } from 'node:http';
import type { StatusReport } from '../../daemon/status.ts';
import type { HealthReport } from '../../observe/health/report.ts';
import { readReport, theDaemon } from '../daemon-request.ts';
import type { PeerFacts } from './peers.ts';

/** They are on the LAN; the user waits. */
const ASK_LIMIT_MS = 1_000;
/** Some words about itself. */
const LARGEST_BODY = 64 * 1024;
/** Of more servers the first are asked: they are all one network's. */
const MOST_ASKED = 16;

/** What a running daemon knows; undefined where none runs, or it does not answer. */
export interface DaemonFacts {
  readonly status?: StatusReport | undefined;
  readonly health?: HealthReport | undefined;
}

/** Asks the running daemon of a data directory, if there is one. Never rejects. */
export async function lookAtDaemon(dataDir: string): Promise<DaemonFacts> {
  try {
    const daemon = theDaemon(dataDir);
    const [status, health] = await Promise.all([
      readReport<StatusReport>(daemon, '/ollana/api/status', ({ servers }) => Array.isArray(servers)),
      readReport<HealthReport>(daemon, '/dashboard/api/health', ({ problems }) => Array.isArray(problems)),
    ]);
    return { status, health };
  } catch {
    // None runs, or one that is ending: all else can be looked at without it.
    return {};
  }
}

/** Asks each server who it is, those that are only used by TLS or are down left out. Never rejects. */
export async function lookAtPeers({ status }: DaemonFacts, now: () => number): Promise<readonly PeerFacts[]> {
  const servers = (status?.servers ?? []).filter(({ kind }) => kind !== 'local').slice(0, MOST_ASKED);
  return Promise.all(
    servers.map(async ({ name, kind, url }) => {
      const said = url.startsWith('http:') ? await hello(url) : undefined;
      const at = Date.parse(said?.date ?? '');
      return {
        name,
        kind,
        ...(said?.ollana === undefined ? {} : { ollana: said.ollana }),
        ...(Number.isNaN(at) ? {} : { aheadMs: at - now() }),
      };
    }),
  );
}

/** The Date of an answer, and the version of the ollana that gave it. */
function hello(url: string): Promise<{ readonly date?: string; readonly ollana?: string } | undefined> {
  return new Promise((resolve) => {
    const options = { agent: false, signal: AbortSignal.timeout(ASK_LIMIT_MS) };
    const request = get(`${url}/ollana/api/hello`, options, (answer) => {
      const { date } = answer.headers;
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.length > LARGEST_BODY) answer.destroy();
      });
      answer.on('error', () => {});
      answer.on('close', () => {
        const ollana = versionIn(text);
        resolve({ ...(date === undefined ? {} : { date }), ...(ollana === undefined ? {} : { ollana }) });
      });
    });
    request.on('error', () => resolve(undefined));
  });
}

function versionIn(text: string): string | undefined {
  try {
    const { ollana } = JSON.parse(text) as { readonly ollana?: unknown };
    return typeof ollana === 'string' ? ollana.slice(0, 60) : undefined;
  } catch {
    return undefined; // A plain Ollama has no such path.
  }
}

import type { Clock } from '../clock.ts';
import { OllanaError } from '../errors.ts';
import type { Pool, PoolServer } from '../fleet/pool.ts';
import { fetchJson } from '../ollama/client.ts';
import { type PsRow, readPs, readTags, type TagRow } from '../ollama/lists.ts';
import { pathOf } from '../ollama/routes.ts';
import { rank } from '../routing/policy.ts';
import type { Router } from '../routing/router.ts';
import type { PathAgent } from '../security/path-agent.ts';
import type { Exchange } from './exchange.ts';
import { type Listed, lowestVersion, mergeOpenAiModels, mergePs, mergeTags } from './merge.ts';

export interface AggregateOptions {
  readonly router: Router;
  readonly agent: PathAgent;
  readonly clock: Clock;
  /** How long a list waits for a first server, ms. */
  readonly holdMs: () => number;
  /** Says why there is no server, and what to do. */
  readonly explain: () => string;
}

/** A list waits this long for a server; then the rows last known from it are used, ms. */
const DEADLINE_MS = 250;

/** What a server that has gone was last known to have is listed for this long: it may be restarting, ms. */
const GONE_ROWS_MS = 60_000;

/** Whether nobody reaches the server; one that broke off a stream still answers. Pure. */
function isGone({ verdict }: PoolServer): boolean {
  return verdict.state !== 'reliable' && verdict.cause === 'dial';
}

/** Answers the reads that are about all servers together, as one Ollama that holds everything would. */
export class Aggregator {
  readonly #options: AggregateOptions;

  constructor(options: AggregateOptions) {
    this.#options = options;
  }

  /** Answers an exchange of class `aggregate`. Rejects with `OLLANA_NO_SERVER` when there is none to ask. */
  async answer(exchange: Exchange): Promise<void> {
    const servers = await this.#found();
    if (servers.length === 0) {
      throw new OllanaError('OLLANA_NO_SERVER', this.#options.explain(), { status: 503, retryAfterS: 5 });
    }
    const path = pathOf(exchange.target);
    const text = JSON.stringify(await this.#read(path, servers));
    // Ollama's OpenAI routes write a line, and leave the charset out.
    const [body, type] = path.startsWith('/v1/')
      ? [Buffer.from(`${text}\n`), 'application/json']
      : [Buffer.from(text), 'application/json; charset=utf-8'];
    const { response } = exchange;
    if (response.destroyed) return;
    const names = servers.map((server) => server.name).join(', ');
    exchange.server = names;
    response.writeHead(200, [
      ...exchange.extraHeaders,
      'Content-Type',
      type,
      'Content-Length',
      String(body.length),
      'X-Ollana-Request-Id',
      exchange.id,
    ]);
    exchange.bytes = body.length;
    response.end(exchange.method === 'HEAD' ? undefined : body);
  }

  /** Those to ask; while there is none, waits for one. */
  async #found(): Promise<Pool> {
    const { router, clock, holdMs } = this.#options;
    const over = new AbortController();
    const stop = clock.after(holdMs(), () => over.abort());
    try {
      for (;;) {
        const servers = this.#servers();
        if (servers.length > 0 || over.signal.aborted) return servers;
        await router.nextChange(over.signal);
      }
    } finally {
      stop();
    }
  }

  /** Those whose rows count, in the order in which requests would go to them: gone ones not for long. */
  #servers(): Pool {
    const { router, clock } = this.#options;
    const order = rank(router.pool(), { modelKey: undefined, tried: new Set(), turn: 0 });
    return order
      .map((candidate) => candidate.server)
      .filter((server) => !isGone(server) || clock.wall() - server.verdict.sinceMs < GONE_ROWS_MS);
  }

  async #read(path: string, servers: Pool): Promise<unknown> {
    switch (path) {
      case '/api/tags':
        return { models: mergeTags(await this.#tags(servers)) };
      case '/v1/models':
        return { object: 'list', data: mergeOpenAiModels(await this.#tags(servers)) };
      case '/api/ps':
        return { models: mergePs(await this.#lists(servers, '/api/ps', readPs, (server) => server.ps)) };
      default: {
        const known = servers.flatMap(({ version }) => (version === undefined ? [] : [version]));
        return { version: lowestVersion(known) ?? '0.0.0' };
      }
    }
  }

  #tags(servers: Pool): Promise<Listed<TagRow>[]> {
    return this.#lists(servers, '/api/tags', readTags, (server) => server.tags);
  }

  #lists<Row extends TagRow | PsRow>(
    servers: Pool,
    path: string,
    read: (answer: Record<string, unknown>) => readonly Row[],
    known: (server: PoolServer) => readonly Row[] | undefined,
  ): Promise<Listed<Row>[]> {
    const { agent, clock } = this.#options;
    const options = { agent, clock, connectTimeoutMs: DEADLINE_MS, timeoutMs: DEADLINE_MS };
    return Promise.all(
      servers.map(async (server) => {
        // Only waited for in vain.
        if (isGone(server)) return { server, rows: known(server) ?? [] };
        try {
          return { server, rows: read(await fetchJson(server.url + path, options)) };
        } catch {
          // Slow or gone: the probe judges it, the list goes on with what it last said.
          return { server, rows: known(server) ?? [] };
        }
      }),
    );
  }
}

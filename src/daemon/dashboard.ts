import type { Clock } from '../clock.ts';
import type { CommonConfig } from '../config.ts';
import { Live } from '../dashboard/live.ts';
import { pagePaths } from '../dashboard/page-paths.ts';
import { Recent } from '../dashboard/recent.ts';
import { Running } from '../dashboard/running.ts';
import type { DaemonView } from '../dashboard/view.ts';
import type { Pool } from '../fleet/pool.ts';
import type { EventStream } from '../observe/event-stream.ts';
import type { Health } from '../observe/health/health.ts';
import type { Exchange } from '../proxy/exchange.ts';
import type { KeyGate } from '../proxy/key-gate.ts';
import type { Router } from '../routing/router.ts';
import { Benchmarks } from './benchmarks/benchmarks.ts';
import { benchmarkPaths } from './benchmarks/paths.ts';
import { serverViews } from './dashboard-view.ts';
import type { Desks } from './desks.ts';
import type { Reloader } from './reload.ts';
import { settingsPath } from './settings-path.ts';
import type { StatusReport } from './status.ts';

export interface DashboardParts {
  readonly config: CommonConfig & { readonly mode: 'client' | 'server' };
  readonly clock: Clock;
  readonly events: EventStream;
  readonly pool: () => Pool;
  readonly desks: Pick<Desks, 'of' | 'learn'>;
  readonly router: Pick<Router, 'hasChoice'>;
  readonly status: () => StatusReport;
  readonly health: Pick<Health, 'report'>;
  readonly keys: Pick<KeyGate, 'admit'>;
  /** Has saved settings taken over; absent: none can be saved. */
  readonly reloader: Reloader | undefined;
}

/** The page at `/dashboard`, what it is told live, its settings, and the benchmarks that it starts. */
export class Dashboard implements Disposable {
  /** To be closed before a drain: its requests would be waited for. */
  readonly benchmarks: Benchmarks;
  readonly #live: Live;
  readonly #paths: readonly ((exchange: Exchange) => boolean)[];

  constructor(parts: DashboardParts) {
    const { clock, events, health, config, reloader, keys } = parts;
    const loadOf = (server: Pool[number]) => server.load ?? parts.desks.of(server).load();
    this.benchmarks = new Benchmarks({
      mode: config.mode,
      clock,
      dataDir: config.dataDir,
      pool: parts.pool,
      // With the seats that the server has not told of yet.
      loadOf: (server) => parts.desks.of(server).load() ?? server.load,
      learn: (server, model, sample) => {
        if (!parts.router.hasChoice(model)) parts.desks.learn(server, model, sample);
      },
      url: () => parts.status().url,
    });
    const recent = new Recent(clock);
    const running = new Running(clock);
    this.#live = new Live({
      clock,
      see: () => {
        const status = parts.status();
        return {
          daemon: daemonView(status),
          health: health.report(),
          running: running.requests(),
          recent: recent.requests(),
          pulse: recent.pulse(),
          ...serverViews(status.servers, parts.pool(), loadOf),
        };
      },
    });
    this.#paths = [
      pagePaths(this.#live),
      benchmarkPaths(this.benchmarks, clock),
      settingsPath({ config, clock, reloader, admit: (exchange) => keys.admit(exchange) }),
    ];
    events.listen((event) => {
      recent.note(event);
      running.note(event);
      // Datagrams come all the time, and change nothing by themselves.
      if (event.type !== 'datagram') this.#live.touch();
    });
  }

  /** Answers the page's paths; returns false for all others. Bound. */
  readonly answers = (exchange: Exchange): boolean => this.#paths.some((answers) => answers(exchange));

  [Symbol.dispose](): void {
    this.#live[Symbol.dispose]();
  }
}

function daemonView(status: StatusReport): DaemonView {
  const { mode, name, version, url, startedAt, pairing, inFlight } = status;
  return { mode, name, version, url, startedAt, pairing, inFlight };
}

import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { ServerAddress } from '../config/server-address.ts';
import { OllanaError } from '../errors.ts';
import { readAdded, writeAdded } from './added-file.ts';
import type { OnNotice } from './notice.ts';
import type { DiscoverySource, OnSighting } from './sighting.ts';
import { sightingOf } from './static.ts';

export interface AddedServersOptions {
  /** Absolute path of the file that keeps what is to outlive the run; its directory exists. */
  readonly file: string;
  /** URLs that are claimed as `static` for good by others, whose claim must not be ended from here. */
  readonly fixed: ReadonlySet<string>;
  readonly clock: Clock;
  readonly onSighting: OnSighting;
  readonly onNotice?: OnNotice | undefined;
}

/** A server that was named while ollana runs. */
export interface AddedServer extends ServerAddress {
  /** It is there again after a restart. */
  readonly kept: boolean;
}

/** Nobody names more by hand; a script that loops ends here and not at the fleet's own limit, which is for all. */
const MAX_ADDED = 256;

/**
 * Servers that are named and taken back while ollana runs, claimed for as long as they are named. Those that are to be
 * kept are in a file; a file that makes no sense is put aside and told of.
 */
export class AddedServers implements DiscoverySource {
  readonly #options: AddedServersOptions;
  readonly #servers = new Map<string, AddedServer>();
  #started: Promise<void> | undefined;
  /** One change after the other: two at once would write each other's past. */
  #changing: Promise<unknown> = Promise.resolve();
  /** The file could neither be read nor put aside: it is not written over. */
  #isStuck = false;
  #disposed = false;

  constructor(options: AddedServersOptions) {
    this.#options = options;
  }

  /** Claims the kept servers. Never rejects. */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  refresh(): void {
    // Nothing to ask: what the user named changes when the user says so.
  }

  /** In the order in which they were added. */
  servers(): readonly AddedServer[] {
    return [...this.#servers.values()];
  }

  /**
   * Names a server, or gives one that is named already another name or has it kept; it stays kept and called what it
   * is where that is not said anew. Resolves with it as it is now when it is claimed and, if kept, written. Rejects,
   * and nothing has changed, with OLLANA_BAD_REQUEST (409: claimed by a flag, or too many), OLLANA_UNREADABLE_FILE,
   * and OLLANA_DRAINING after disposal.
   */
  add({ url, name }: ServerAddress, keep: boolean): Promise<AddedServer> {
    return this.#change(async () => {
      const { fixed, onSighting } = this.#options;
      if (fixed.has(url))
        throw conflict(`${url} is a server already, by the configuration this ollana was started with`);
      const known = this.#servers.get(url);
      if (!known && this.#servers.size >= MAX_ADDED)
        throw conflict(`${MAX_ADDED} servers have been added already: remove one, or use --server-file`);
      const called = name ?? known?.name;
      const namesake = this.servers().find((one) => one.url !== url && isSame(one.name, called));
      if (namesake) throw conflict(`${namesake.url} is called ${namesake.name} already: give another name`);
      const server: AddedServer = {
        url,
        ...(called !== undefined && { name: called }),
        kept: keep || known?.kept === true,
      };
      const next = new Map(this.#servers).set(url, server);
      if (server.kept) await this.#write(next);
      if (this.#disposed) throw ended();
      this.#servers.set(url, server);
      onSighting(sightingOf(server));
      return server;
    });
  }

  /** Takes a server back; resolves with whether it was one of these. Rejects, and it stays, as `add` does. */
  remove(url: string): Promise<boolean> {
    return this.#change(async () => {
      const known = this.#servers.get(url);
      if (!known) return false;
      const next = new Map(this.#servers);
      next.delete(url);
      if (known.kept) await this.#write(next);
      this.#servers.delete(url);
      if (!this.#disposed && !this.#options.fixed.has(url))
        this.#options.onSighting({ source: 'static', url, leaseMs: 0 });
      return true;
    });
  }

  /** Waits for what is being written. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await this.#started;
    await this.#changing;
  }

  async #start(): Promise<void> {
    const { file, clock, fixed, onSighting, onNotice } = this.#options;
    if (this.#disposed) return;
    const { servers, bad } = await readAdded(file, MAX_ADDED, clock.wall());
    if (bad) {
      this.#isStuck = bad.movedTo === undefined;
      onNotice?.({ type: 'added-unreadable', file, ...bad });
    }
    for (const server of servers) {
      this.#servers.set(server.url, { ...server, kept: true });
      if (!this.#disposed && !fixed.has(server.url)) onSighting(sightingOf(server));
    }
  }

  #change<T>(how: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(async () => {
      // What is kept is read first, or it would be written over.
      await this.start();
      if (this.#disposed) throw ended();
      return how();
    });
    this.#changing = done.catch(() => {});
    return done;
  }

  async #write(servers: ReadonlyMap<string, AddedServer>): Promise<void> {
    const { file } = this.#options;
    if (this.#isStuck)
      throw new OllanaError(
        'OLLANA_UNREADABLE_FILE',
        `${file} can neither be read nor moved aside, so nothing is kept: look at it, then restart ollana`,
      );
    const kept = [...servers.values()].filter((server) => server.kept);
    await writeAdded(
      file,
      kept.map(({ url, name }) => ({ url, ...(name !== undefined && { name }) })),
    );
  }
}

/** The file of one mode's daemon in a data directory, which daemons of both modes may share. */
export function addedFile(dataDir: string, mode: 'client' | 'server'): string {
  return join(dataDir, `${mode}-added.json`);
}

function isSame(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && one.toLowerCase() === other?.toLowerCase();
}

function conflict(message: string): OllanaError {
  return new OllanaError('OLLANA_BAD_REQUEST', message, { status: 409 });
}

function ended(): OllanaError {
  return new OllanaError('OLLANA_DRAINING', 'this ollana is shutting down', { status: 503, retryAfterS: 1 });
}

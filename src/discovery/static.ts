import { parseServerAddress, type ServerAddress } from '../config/server-address.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import type { DiscoverySource, OnSighting, Sighting } from './sighting.ts';

/**
 * Reads `URL[=name]` or `host:port[=name]`. A host without scheme and port is refused, not guessed: ollana listens
 * on 11435 and Ollama on 11434. Throws OLLANA_BAD_OPTION naming the value and the remedy.
 */
export function parseServer(text: string): ServerAddress {
  try {
    return parseServerAddress(text);
  } catch (error) {
    const message = `bad server "${text.slice(0, 200)}": ${reasonOf(error)}`;
    // The reason may quote the text, and the text may hold anything.
    throw new OllanaError('OLLANA_BAD_OPTION', message.replace(/[\p{C}\s]+/gu, ' '), { cause: error });
  }
}

/** The servers the user named: claimed from the start, for good. */
export class StaticServers implements DiscoverySource {
  readonly #servers: readonly ServerAddress[];
  readonly #onSighting: OnSighting;
  #done = false;

  /** Throws OLLANA_BAD_OPTION for the first of `servers` that is not understood. */
  constructor(options: { readonly servers: readonly string[]; readonly onSighting: OnSighting }) {
    this.#servers = options.servers.map(parseServer);
    this.#onSighting = options.onSighting;
  }

  async start(): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    for (const server of this.#servers) this.#onSighting(sightingOf(server));
  }

  refresh(): void {
    // Nothing to ask: what the user named does not change.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#done = true;
  }
}

/** The claim, for good, that the user makes by naming a server. Pure. */
export function sightingOf({ url, name }: ServerAddress): Sighting {
  return { source: 'static', url, ...(name && { name }), leaseMs: Number.POSITIVE_INFINITY };
}

/** How long an ollana may take until it knows all its servers, ms. */
const KNOWN_MS = 15_000;

export interface EmbedReply {
  /** From sending to the last byte. */
  readonly ms: number;
  readonly body: Buffer;
  /** Why the servers were chosen, as ollana tells. */
  readonly reason: string;
}

/** Asks one ollana for vectors. */
export class EmbedLoad {
  readonly #url: string;
  readonly #model: string;

  constructor(url: string, model: string) {
    this.#url = url;
    this.#model = model;
  }

  /** Resolves when ollana knows the models of this many servers; rejects when that takes too long. */
  async untilKnown(servers: number): Promise<void> {
    for (let waited = 0; waited < KNOWN_MS; waited += 100) {
      const answer = await fetch(`${this.#url}/ollana/api/status`);
      const status = (await answer.json()) as { servers: { models: unknown[] }[] };
      if (status.servers.filter(({ models }) => models.length > 0).length === servers) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`ollana did not know ${servers} servers within ${KNOWN_MS / 1000} s`);
  }

  /** One request with its whole answer; rejects when that is not 200. */
  async ask(input: readonly string[]): Promise<EmbedReply> {
    const startedAt = performance.now();
    const answer = await fetch(`${this.#url}/api/embed`, {
      method: 'POST',
      body: JSON.stringify({ model: this.#model, input }),
    });
    const body = Buffer.from(await answer.arrayBuffer());
    const ms = performance.now() - startedAt;
    if (answer.status !== 200) throw new Error(`${this.#url} answered ${answer.status}: ${body}`);
    return { ms, body, reason: answer.headers.get('x-ollana-reason') ?? '' };
  }
}

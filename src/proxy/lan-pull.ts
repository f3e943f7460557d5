import type { Clock } from '../clock.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import type { ServerFacts } from '../fleet/pool.ts';
import { fetchJson } from '../ollama/client.ts';
import { readTags, type TagRow } from '../ollama/lists.ts';
import { pullModel } from '../ollama/pull.ts';
import type { Targets } from '../routing/targets.ts';
import { copyCandidates } from '../server/copy-candidates.ts';
import { type CopyPlan, planCopy, sizeOf } from '../server/copy-model.ts';
import { finishCopy } from '../server/finish-copy.ts';
import { LEAST_FREE_BYTES, type ModelDisk } from '../server/model-disk.ts';
import type { ModelShelf } from '../server/model-shelf.ts';
import type { StreamOptions } from '../server/stream-request.ts';
import type { Body } from './body.ts';
import type { ClientGone } from './client-gone.ts';
import type { ProxyEvent } from './events.ts';
import type { Exchange } from './exchange.ts';
import { LanCopies } from './lan-copies.ts';
import { PullAnswer } from './pull-answer.ts';
import { type PlainPull, readPlainPull } from './pull-request.ts';
import type { Transport } from './transport.ts';
import type { Asked } from './want.ts';

export interface LanPullOptions {
  /** Base URL of this machine's Ollama. */
  readonly ollama: string;
  /** This machine's own among them. */
  readonly servers: () => readonly ServerFacts[];
  readonly shelf: ModelShelf;
  readonly disk: Pick<ModelDisk, 'freeBytes'>;
}

/** What is needed to send and to tell. */
export interface LanPullTools {
  readonly transport: Transport;
  readonly clock: Clock;
  /** Limit for the TCP (and TLS) handshake, ms. */
  readonly connectTimeoutMs: number;
  readonly emit: (event: ProxyEvent) => void;
  /** Headers of the answer, flat. */
  readonly headers: (reason: string) => readonly string[];
}

/** A pull that a client asked for. */
interface Wanted extends PlainPull {
  readonly exchange: Exchange;
  readonly server: ServerFacts;
}

/** An Ollama that takes longer over its own list is in trouble, ms. */
const LIST_LIMIT_MS = 5000;

/**
 * Answers pulls for this machine's Ollama with what paired servers have. Their files come first; then Ollama itself
 * pulls: it asks its registry what the model is, finds the files there, and fetches what is missing or other. Only where
 * the registry cannot be reached, or does not know the model, the neighbour's own manifest is what counts.
 */
export class LanPull {
  readonly #options: LanPullOptions;
  readonly #copies: LanCopies;

  constructor(options: LanPullOptions) {
    this.#options = options;
    this.#copies = new LanCopies(options.ollama);
  }

  /**
   * Answers a pull that a neighbour can serve; resolves with false for whatever else, which is then not touched. Rejects
   * with OLLANA_DISK_FULL (507) before anything is sent, when it would not fit.
   */
  async answers(
    exchange: Exchange,
    { modelKey }: Asked,
    body: Body,
    targets: Targets,
    tools: LanPullTools,
    gone: ClientGone,
  ): Promise<boolean> {
    const { ollama } = this.#options;
    // Nobody proves who he is where pairing is not required.
    if (!tools.transport.agent.closed) return false;
    const servers = this.#options.servers();
    const server = servers.find(({ url }) => url === ollama);
    const isHere =
      targets.type === 'any' || (targets.type === 'one-of' && targets.servers[0]?.url === ollama);
    const wanted = body.type === 'whole' ? readPlainPull(body.bytes) : undefined;
    if (!wanted || !isHere || server?.verdict.state !== 'reliable' || modelKey === undefined) return false;
    const candidates = (here: readonly TagRow[]) => copyCandidates(servers, ollama, modelKey, here);
    if (candidates([]).length === 0 || this.#copies.isFull) return false;
    const options = streamOptions(tools, gone);
    const tell = (status: string) =>
      tools.emit({
        type: 'model-pulled',
        id: exchange.id,
        model: wanted.model,
        server: server.name,
        status,
        percent: undefined,
        copies: true,
      });
    let plan: CopyPlan | undefined;
    try {
      const refused = ({ name }: { name: string }, why: string) => tell(`not from ${name}: ${why}`);
      // The list that is kept may be some seconds old, and the model removed meanwhile.
      const list = await fetchJson(`${ollama}/api/tags`, { ...options, timeoutMs: LIST_LIMIT_MS });
      plan = await planCopy(candidates(readTags(list)), ollama, refused, options);
    } catch (error) {
      tell(`not from another server: ${reasonOf(error)}`);
    }
    if (gone.aborted) return true;
    if (!plan) return false;
    await this.#judgeRoom(plan, exchange, server.name);
    exchange.attempts += 1;
    exchange.server = server.name;
    exchange.deviceId = server.deviceId;
    exchange.serverUrl = server.url;
    exchange.reason = `copied from ${plan.from.name}`;
    await this.#pull(plan, { ...wanted, exchange, server }, tools, tell, gone);
    return true;
  }

  /** What fills the disk is refused before it begins; its owner may fill it himself. */
  async #judgeRoom({ missing, from }: CopyPlan, exchange: Exchange, here: string): Promise<void> {
    const free = await this.#options.disk.freeBytes();
    const size = sizeOf(missing);
    const stays = exchange.fromHere ? 0 : LEAST_FREE_BYTES;
    if (free === undefined || free - size >= stays) return;
    const keeps = stays > 0 ? `, of which ${gigabytes(stays)} stay free for its owner` : '';
    throw new OllanaError(
      'OLLANA_DISK_FULL',
      `${from.model} takes ${gigabytes(size)}, and ${gigabytes(free)} are free where ${here} keeps its models${keeps}: remove a model there with \`ollana rm MODEL\``,
      { status: 507 },
    );
  }

  async #pull(
    plan: CopyPlan,
    { exchange, model, streams }: Wanted,
    tools: LanPullTools,
    tell: (status: string) => void,
    gone: ClientGone,
  ): Promise<void> {
    const { ollama, shelf } = this.#options;
    const { from } = plan;
    const answer = new PullAnswer(exchange, tools.clock, tools.headers(exchange.reason ?? ''), streams);
    const options = streamOptions(tools, gone);
    const say = (status: string) => {
      tell(status);
      answer.tell({ status });
    };
    try {
      const why = await this.#copies.copy(plan, answer, say, options);
      try {
        await pullModel({
          ...options,
          url: ollama,
          model,
          onProgress: (line) => {
            if (line.status !== 'success') answer.step(line);
          },
          onBytes: () => {},
        });
      } catch (error) {
        if (gone.aborted) throw error;
        if (why !== undefined) throw bothFailed(why, error);
        if (!isUnreachable(reasonOf(error))) throw error;
        const registry = /file does not exist$/.test(reasonOf(error))
          ? 'does not know it'
          : 'cannot be reached';
        answer.tell({ status: `the registry ${registry}: taking it as ${from.name} has it` });
        const isSame = await finishCopy(plan, { ...options, ollama, shelf });
        const digest = isSame
          ? 'the same digest'
          : 'another digest, as Ollama has made it anew of the same files';
        say(`installed as ${from.name} has it, with ${digest}`);
      }
      answer.succeed();
    } catch (error) {
      if (!gone.aborted) answer.fail(error);
    }
  }
}

/** The internet was the second way: that it failed too does not tell why the first did. */
function bothFailed(why: string, error: unknown): OllanaError {
  const { code = 'OLLANA_UPSTREAM_FAILED', status = 500 } = error as Partial<OllanaError>;
  return new OllanaError(code, `${why}; and from the internet: ${reasonOf(error)}`, { status });
}

/**
 * Whether Ollama says that its registry cannot be reached, or has no such model. Whatever else the registry says, such as
 * that the model takes a newer Ollama, counts.
 */
function isUnreachable(reason: string): boolean {
  if (!/^pull(ing)? model manifest: /.test(reason)) return false;
  return /: file does not exist$|dial tcp|lookup |no such host|network is unreachable|connection (refused|reset)|timeout|deadline exceeded/i.test(
    reason,
  );
}

function streamOptions(
  { transport, clock, connectTimeoutMs }: LanPullTools,
  gone: ClientGone,
): StreamOptions {
  return { agent: transport.fresh, clock, connectTimeoutMs, signal: gone.signal };
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

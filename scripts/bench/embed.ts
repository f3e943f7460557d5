import { join } from 'node:path';
import { Child } from './child.ts';
import type { BenchConfig } from './config.ts';
import { EmbedLoad } from './embed-load.ts';
import { type EmbedReport, summariseEmbed } from './embed-report.ts';
import { startOllana } from './ollana-daemon.ts';
import { modulesOf } from './stale.ts';
import { withoutTimes } from './validate.ts';

/** Inputs of a request: what indexers send at a time. */
const INPUTS = 64;
/** One server reads a request in about 1.6 s with this: long enough for the time of day to vanish in it. */
const MODEL = { name: 'embedder', embedding: true, prefillPerSecond: 800 };
/** Twenty words or so each. */
const TEXTS = Array.from({ length: INPUTS }, (_, i) => `text ${i}: ${'lorem ipsum dolor sit '.repeat(4)}`);
/** The first ones load the model and are what speeds are learned from. */
const WARM_UP_ROUNDS = 2;

/**
 * What splitting saves: the same request of 64 inputs through an ollana with one server and through one with two
 * equal ones, in turns. Rejects when they do not give the same vectors, or the second one does not split.
 */
export async function runEmbed(config: BenchConfig, tell: (text: string) => void): Promise<EmbedReport> {
  const running: AsyncDisposable[] = [];
  const keep = <T extends AsyncDisposable>(one: T): T => {
    running.unshift(one);
    return one;
  };
  try {
    const urls: string[] = [];
    for (let i = 0; i < 2; i += 1) {
      const script = join(import.meta.dirname, 'ollama.child.mjs');
      urls.push(await keep(new Child([script, modulesOf(config.dist), JSON.stringify([MODEL])])).url());
    }
    const behind = async (name: string, servers: readonly string[]) => {
      const args = [...servers.flatMap((url) => ['--server', url]), '--no-local-fallback'];
      const load = new EmbedLoad(keep(await startOllana(name, args, config)).url, MODEL.name);
      await load.untilKnown(servers.length);
      return load;
    };
    const one = await behind('ollana-one-server', urls.slice(0, 1));
    const two = await behind('ollana-two-servers', urls);
    const oneMs: number[] = [];
    const twoMs: number[] = [];
    for (let round = 1 - WARM_UP_ROUNDS; round <= config.rounds; round += 1) {
      tell(round > 0 ? `round ${round} of ${config.rounds}` : 'warming up');
      const alone = await one.ask(TEXTS);
      const shared = await two.ask(TEXTS);
      if (withoutTimes(alone.body) !== withoutTimes(shared.body)) throw new Error('the answers differ');
      if (shared.reason !== 'split') throw new Error(`not split but sent to one server: ${shared.reason}`);
      if (round < 1) continue;
      oneMs.push(alone.ms);
      twoMs.push(shared.ms);
    }
    return summariseEmbed(INPUTS, oneMs, twoMs);
  } finally {
    for (const part of running) await part[Symbol.asyncDispose]();
  }
}

import { join } from 'node:path';
import { Child } from './child.ts';
import type { BenchConfig } from './config.ts';
import { PeerLoad } from './hostile-load.ts';
import { type Gaps, type HostileReport, summariseHostile } from './hostile-report.ts';
import { startOllana } from './ollana-daemon.ts';
import { modulesOf } from './stale.ts';

/** Addresses of this machine that are not those of its own programs. */
const HONEST = '127.0.0.2';
const HOSTILE = '127.0.0.3';
/** Some 40 tokens a second, as of a model of 8 GB on a usual GPU. */
const MODEL = { name: 'm', tokensPerSecond: 40, loadMs: 0 };
/** Streams side by side, and tokens of each: some 6 s, and 960 gaps. As many go past ollana, to the same Ollama. */
const STREAMS = 4;
const LINES = 240;
/** Slots: those of the streams and one, which the hostile machine may take. */
const PARALLEL = STREAMS + 1;
/** Until the hostile machine has opened what it opens at first, ms. */
const RISE_MS = 500;

/**
 * What another machine's tokens have to bear while one attacks with 1000 slow headers, 10 000 tickets and bodies of
 * 100 MB: the time between two tokens, calm and attacked, in turns. All of them share the processors of this machine,
 * so that tokens are late that no ollana has seen: streams that go past it at the same time tell how late. Rejects when
 * a stream is not whole.
 */
export async function runHostile(config: BenchConfig, tell: (text: string) => void): Promise<HostileReport> {
  const running: AsyncDisposable[] = [];
  const keep = <T extends AsyncDisposable>(one: T): T => {
    running.unshift(one);
    return one;
  };
  try {
    const script = (name: string) => join(import.meta.dirname, name);
    const ollama = keep(
      new Child([script('ollama.child.mjs'), modulesOf(config.dist), JSON.stringify([MODEL])]),
    );
    const args = ['serve', '--ollama', await ollama.url(), '--parallel', String(PARALLEL)];
    const { url } = keep(await startOllana('ollana-serve', args, config));
    const hostile = keep(new Child([script('hostile.child.mjs'), HOSTILE, url]));
    await hostile.url();
    using honest = new PeerLoad(url, HONEST);
    using past = new PeerLoad(await ollama.url(), HONEST);
    const measure = async (): Promise<Gaps> => {
      const streams = (peer: PeerLoad) =>
        Promise.all(Array.from({ length: STREAMS }, () => peer.gaps(MODEL.name, LINES)));
      const [through, direct] = await Promise.all([streams(honest), streams(past)]);
      return { through: through.flat(), direct: direct.flat() };
    };
    await measure(); // Loads the model.
    const calm: Gaps[] = [];
    const attacked: Gaps[] = [];
    for (let round = 1; round <= config.rounds; round += 1) {
      tell(`round ${round} of ${config.rounds}, calm`);
      calm.push(await measure());
      tell(`round ${round} of ${config.rounds}, attacked`);
      hostile.say('go');
      await new Promise((resolve) => setTimeout(resolve, RISE_MS));
      attacked.push(await measure());
      tell(`  the hostile machine saw ${await hostile.ask('stop')}`);
      // What it had open is closed.
      await new Promise((resolve) => setTimeout(resolve, 2 * RISE_MS));
    }
    return summariseHostile(calm, attacked);
  } finally {
    for (const part of running) await part[Symbol.asyncDispose]();
  }
}

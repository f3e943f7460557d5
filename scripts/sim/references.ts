import { diceOf } from '../fleet/dice.ts';
import type { SimConfig } from './config.ts';
import type { Outcome } from './outcome.ts';
import { type Asked, aloneMs, type Scene } from './scene.ts';
import { HOP_MS } from './wire.ts';

/** Every server works off what it was sent, in order: when each of its requests ends, those that have ended left out. */
class Lines {
  readonly #ends: number[][];
  readonly speeds: readonly number[];

  constructor({ gpus }: Scene) {
    this.speeds = gpus.map(({ speed }) => speed);
    this.#ends = gpus.map(() => []);
  }

  /** Requests that run or wait at a server. */
  length(server: number, now: number): number {
    const ends = this.#ends[server] ?? [];
    while (ends[0] !== undefined && ends[0] <= now) ends.shift();
    return ends.length;
  }

  /** When a server will have nothing left to do. */
  freeAt(server: number): number {
    return this.#ends[server]?.at(-1) ?? 0;
  }

  /** Adds a request; returns when it begins and ends. */
  add(server: number, { job }: Asked, now: number): { readonly begin: number; readonly end: number } {
    const begin = Math.max(now, this.freeAt(server));
    const end = begin + aloneMs(job) / (this.speeds[server] ?? 1);
    this.#ends[server]?.push(end);
    return { begin, end };
  }
}

type Choose = (lines: Lines, asked: Asked, turn: number) => number;

/** What choosers that know less, or all, make of the same requests. */
export function runReferences(scene: Scene, { seed }: SimConfig): Outcome[] {
  const dice = diceOf(seed + 2);
  const any = () => Math.floor(dice() * scene.gpus.length);
  return [
    centralFifo(scene),
    run('instant global JSQ', scene, soonestEnd),
    run('power of two', scene, (lines, { at }) => {
      const [a, b] = [any(), any()];
      return lines.length(a, at) <= lines.length(b, at) ? a : b;
    }),
    leastConnections(scene),
    run('random', scene, any),
  ];
}

function run(
  name: string,
  scene: Scene,
  choose: Choose,
  onEnd?: (asked: Asked, server: number, end: number) => void,
): Outcome {
  const lines = new Lines(scene);
  const waits: number[] = [];
  const totals: number[] = [];
  scene.asked.forEach((asked, turn) => {
    const server = choose(lines, asked, turn);
    const { begin, end } = lines.add(server, asked, asked.at);
    onEnd?.(asked, server, end);
    waits.push(begin - asked.at + HOP_MS);
    totals.push(end - asked.at + 2 * HOP_MS);
  });
  return { name, waits, totals, loads: 0 };
}

/** Knows every queue and how long each answer will be. */
const soonestEnd: Choose = (lines, { at, job }) => {
  const work = aloneMs(job);
  return lowest(lines.speeds, (speed, server) => Math.max(at, lines.freeAt(server)) + work / speed);
};

/** One queue for all; whoever is first in it gets the fastest of the servers that are free. */
function centralFifo(scene: Scene): Outcome {
  let turnAt = 0;
  const waits: number[] = [];
  const totals: number[] = [];
  const lines = new Lines(scene);
  for (const asked of scene.asked) {
    const firstFree = lines.speeds.reduce(
      (first, _, server) => Math.min(first, lines.freeAt(server)),
      Infinity,
    );
    turnAt = Math.max(turnAt, asked.at, firstFree);
    const server = lowest(lines.speeds, (speed, i) => (lines.freeAt(i) <= turnAt ? -speed : 0));
    const { end } = lines.add(server, asked, turnAt);
    waits.push(turnAt - asked.at + HOP_MS);
    totals.push(end - asked.at + 2 * HOP_MS);
  }
  return { name: 'central FIFO', waits, totals, loads: 0 };
}

/** Every laptop counts only what it has sent itself. */
function leastConnections(scene: Scene): Outcome {
  const own = Array.from({ length: scene.laptops }, (): { server: number; end: number }[] => []);
  const choose: Choose = ({ speeds }, { at, laptop }, turn) => {
    const open = (own[laptop] ?? []).filter(({ end }) => end > at);
    own[laptop] = open;
    const counts = new Map<number, number>();
    for (const { server } of open) counts.set(server, (counts.get(server) ?? 0) + 1);
    return lowest(
      speeds,
      (_, server) => (counts.get(server) ?? 0) + ((server + turn) % speeds.length) / speeds.length,
    );
  };
  return run('least connections', scene, choose, ({ laptop }, server, end) =>
    own[laptop]?.push({ server, end }),
  );
}

function lowest(speeds: readonly number[], key: (speed: number, server: number) => number): number {
  let best = 0;
  let bestKey = Number.POSITIVE_INFINITY;
  speeds.forEach((speed, server) => {
    const one = key(speed, server);
    if (one >= bestKey) return;
    best = server;
    bestKey = one;
  });
  return best;
}

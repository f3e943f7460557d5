import { diceOf } from './dice.ts';
import type { GpuJob } from './gpu-model.ts';
import type { FleetApp, FleetWorld } from './world.ts';

/** One request of the workload. */
export interface Arrival {
  /** ms after the beginning. */
  readonly at: number;
  /** Index of the app that asks. */
  readonly app: number;
  readonly job: GpuJob;
  readonly messages: readonly Message[];
  /** What a simulated GPU answers. */
  readonly answer: string;
}

export interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

export interface WorkloadOptions {
  readonly seed: number;
  /**
   * Share of the time of all GPUs that the requests would take were every prompt read from its beginning, and no model
   * ever loaded. Decoding alone is about 0.8 of it.
   */
  readonly load: number;
  readonly arrivals: number;
  /** Half-way the most popular models become the least popular ones. */
  readonly drift: boolean;
}

/** Four characters are a token, read or written. */
const TOKEN_CHARACTERS = 4;
const WORD = ' yes';
/** Tokens of a question and of an answer, evenly spread. */
const QUESTION = { from: 30, to: 80 };
const ANSWER = { from: 30, to: 80 };
/** Turns of a conversation before the app begins a new one. */
const TURNS = { from: 3, to: 8 };

/** 240 in the main world. As many more where there is room for more models: what learning costs is then as great a part. */
const ARRIVALS_PER_PLACE = 48;
/** 40 of the main world's arrivals: as long may learning anew take after a drift. */
const DRIFT_GRACE = 1 / 6;

/** How many arrivals a run of this world has unless told otherwise. Pure. */
export function usualArrivals({ gpus }: FleetWorld): number {
  return ARRIVALS_PER_PLACE * gpus.reduce((sum, { memory }) => sum + memory, 0);
}

/** The first of so many arrivals that counts. Pure. */
export function countedFrom(arrivals: number, drift: boolean): number {
  return drift ? (arrivals >> 1) + Math.round(DRIFT_GRACE * arrivals) : 0;
}

interface Talk {
  number: number;
  turnsLeft: number;
  messages: Message[];
  /** Characters of all that a GPU has read and written of it. */
  characters: number;
}

/**
 * Poisson arrivals of apps whose conversations grow turn by turn and begin anew after some. The same options give
 * the same workload. Pure.
 */
export function workloadOf(world: FleetWorld, options: WorkloadOptions): Arrival[] {
  const dice = diceOf(options.seed);
  const within = ({ from, to }: { from: number; to: number }) => from + Math.floor(dice() * (to - from + 1));
  const talks = world.apps.map((): Talk => ({ number: 0, turnsLeft: 0, messages: [], characters: 0 }));
  const asked = Array.from({ length: options.arrivals }, (_, i) => {
    const drifted = options.drift && i >= options.arrivals / 2;
    const app = chosenApp(weightsOf(world, options.drift, drifted), dice());
    const talk = talks[app] as Talk;
    if (talk.turnsLeft === 0) {
      Object.assign(talk, {
        number: talk.number + 1,
        turnsLeft: within(TURNS),
        messages: [],
        characters: 0,
      });
    }
    talk.turnsLeft -= 1;
    return turn(talk, app, (world.apps[app] as FleetApp).model, within(QUESTION), within(ANSWER));
  });
  const work = asked.reduce((sum, { job }) => sum + uncachedMs(job), 0);
  const speed = world.gpus.reduce((sum, gpu) => sum + gpu.speed, 0);
  const meanGapMs = work / options.arrivals / speed / options.load;
  let at = 0;
  return asked.map((one) => {
    at += -Math.log(1 - dice()) * meanGapMs;
    return { ...one, at };
  });
}

/** What a job takes on a GPU of speed 1 that has read nothing of it before, ms. Pure. */
export function uncachedMs({ model, promptTokens, outputTokens }: GpuJob): number {
  return promptTokens * model.prefillMsPerToken + outputTokens * model.decodeMsPerToken;
}

/** Share of the time of all GPUs that writing the answers takes. Pure. */
export function decodingShare({ gpus }: FleetWorld, arrivals: readonly Arrival[]): number {
  const ms = arrivals.reduce((sum, { job }) => sum + job.outputTokens * job.model.decodeMsPerToken, 0);
  return ms / gpus.reduce((sum, { speed }) => sum + speed, 0) / (arrivals.at(-1)?.at ?? 0);
}

/** How much each app asks: as the world says, or with drift first the first model's apps most, then the last's. */
function weightsOf({ apps, models }: FleetWorld, drift: boolean, drifted: boolean): number[] {
  if (!drift) return apps.map(({ weight }) => weight);
  return apps.map(({ model }) => {
    const index = models.indexOf(model);
    const rank = drifted ? models.length - 1 - index : index;
    return 1 / (rank + 1) ** 1.5 / apps.filter((app) => app.model === model).length;
  });
}

function chosenApp(weights: readonly number[], roll: number): number {
  let left = roll * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [app, weight] of weights.entries()) {
    left -= weight;
    if (left <= 0) return app;
  }
  return weights.length - 1;
}

function turn(
  talk: Talk,
  app: number,
  model: GpuJob['model'],
  questionTokens: number,
  answerTokens: number,
): Omit<Arrival, 'at'> {
  // The number at the end is what the simulated GPU makes its answer from: no app tells how long it will be.
  const tail = ` #${answerTokens}`;
  const head = `app ${app} talk ${talk.number} turn ${talk.messages.length >> 1}:`;
  const content = head.padEnd(questionTokens * TOKEN_CHARACTERS - tail.length, ' why') + tail;
  const prefixTokens = Math.floor(talk.characters / TOKEN_CHARACTERS);
  const messages: Message[] = [...talk.messages, { role: 'user', content }];
  const answer = answerTo(content);
  const promptCharacters =
    messages.reduce((sum, one) => sum + one.content.length + one.role.length + 5, 0) + 13;
  talk.messages = [...messages, { role: 'assistant', content: answer }];
  talk.characters = promptCharacters + answer.length;
  return {
    app,
    messages,
    answer,
    job: {
      model,
      conversation: `${model.name}/${app}/${talk.number}`,
      promptTokens: Math.ceil(promptCharacters / TOKEN_CHARACTERS),
      prefixTokens,
      outputTokens: answerTokens,
    },
  };
}

/** The answer to a question: as many tokens as the number at its end says. The simulated GPUs answer the same. Pure. */
function answerTo(question: string): string {
  return WORD.repeat(Number(/#(\d+)$/.exec(question)?.[1] ?? 1));
}

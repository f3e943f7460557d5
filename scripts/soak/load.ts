import { type Ended, request, type Shape } from '../../test/_chaos-load.ts';
import { send } from '../../test/_simulate-client.ts';
import { KINDS, type Kind, type Tally } from './tally.ts';

/** One request in so many is one whose client goes away. */
const LEAVES = 12;
/** Until the client has gone: before the answer, in the middle of it, at its end, ms. */
const LEAVES_WITHIN_MS = 80;
/** A frozen server is given up after three probes of 5 s, and a request may meet all three of them. */
const MAX_ANSWER_MS = 120_000;
/** Untruthful ends that are told; they are all of a kind mostly. */
const MOST_TOLD = 20;

export interface LoadOptions {
  readonly url: string;
  /** Ways of asking, each with the text of its whole answer; undefined where that does not matter. */
  readonly expected: ReadonlyMap<Shape, string | undefined>;
  readonly workers: number;
  readonly dice: () => number;
  /** Whether another request is due. */
  readonly more: (asked: number) => boolean;
  readonly tell: (line: string) => void;
}

/** Asks one request after another with each worker, and counts how they end. */
export class Load {
  readonly #options: LoadOptions;
  readonly #counts: Record<Kind, number> = { ...NONE };
  #asked = 0;
  #told = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  get tally(): Tally {
    return { asked: this.#asked, ...this.#counts };
  }

  /** Resolves when no more is due and the last request has ended or is given up. */
  async run(): Promise<void> {
    const { workers, more } = this.#options;
    const worker = async () => {
      while (more(this.#asked)) {
        this.#asked += 1;
        this.#counts[await this.#one()] += 1;
      }
    };
    await Promise.all(Array.from({ length: workers }, worker));
  }

  async #one(): Promise<Kind> {
    const { url, expected, dice } = this.#options;
    const all = [...expected];
    const [shape, text] = all[Math.floor(dice() * all.length)] ?? [];
    if (shape === undefined) throw new Error('there is nothing to ask');
    if (shape.body !== undefined && dice() < 1 / LEAVES) return leave(url, shape, dice() * LEAVES_WITHIN_MS);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), MAX_ANSWER_MS);
    });
    const ended = await Promise.race([request(url, shape, text, 0), late]);
    clearTimeout(timer);
    const kind = ended === undefined ? 'hung' : kindOf(ended);
    if (['falseEnd', 'dropped', 'hung'].includes(kind))
      this.#tell(`${kind}: ${JSON.stringify(ended ?? shape)}`);
    return kind;
  }

  #tell(line: string): void {
    this.#told += 1;
    if (this.#told <= MOST_TOLD) this.#options.tell(line.slice(0, 1000));
  }
}

const NONE = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Readonly<Record<Kind, number>>;

function kindOf({ ending, detail, shape, marked }: Ended): Kind {
  if (ending === 'whole' || ending === 'cut') return ending;
  if (ending === 'false-end') return shape.streamed || marked ? 'falseEnd' : 'halfJson';
  // The status, then what came: an error that says why, in the shape of any of the protocols.
  return /^[45]\d\d .*"error"/s.test(detail) ? 'refused' : 'dropped';
}

/** Sends a request and goes away after `ms`, or with the end of the answer where that is earlier. */
async function leave(url: string, shape: Shape, ms: number): Promise<Kind> {
  const sent = send({ url }, shape.path, shape.body);
  const timer = setTimeout(() => sent.request.destroy(), ms);
  await sent.answer;
  clearTimeout(timer);
  return 'left';
}

import { inOrder, type Valued } from './valuation.ts';

/** What a choice knew of one server, for those who ask later why. Times are ms from the choice. */
export interface Considered {
  readonly server: string;
  /** When the request was expected to end there, with all that is counted: what servers were compared by. */
  readonly finishMs: number;
  /** Of that, the wait for those ahead. */
  readonly waitMs: number;
  /** ... and the price of loading the model, with what that pushes out; 0 where it is loaded. */
  readonly loadMs: number;
  /** ... and its own reading and writing, beside what else runs there. */
  readonly runMs: number;
  readonly warm: boolean;
  readonly free: boolean;
  /** Lower ones are used up first: by verdict, and this machine's own Ollama last. */
  readonly tier: number;
  readonly chosen: boolean;
}

/** More are not kept of one request; the best are. */
const MAX_CONSIDERED = 20;

/**
 * The servers of a choice, best first, the chosen one among them. `nameOf` a server that has left is its id. Pure but
 * for `nameOf`.
 */
export function considered(
  list: readonly Valued[],
  chosenId: string,
  nameOf: (deviceId: string) => string | undefined,
): readonly Considered[] {
  const best = list.length <= MAX_CONSIDERED ? [...list] : bestFew(list, chosenId);
  return best.sort(inOrder).map(({ option: { deviceId, estimate, tier }, finishMs }) => {
    const { immediateMs, priceMs = 0, warm, free } = estimate;
    return {
      server: nameOf(deviceId) ?? deviceId,
      finishMs: Math.round(finishMs),
      waitMs: Math.round(Math.max(0, estimate.finishMs - immediateMs)),
      loadMs: Math.round(priceMs),
      runMs: Math.round(Math.max(0, immediateMs - priceMs)),
      warm,
      free,
      tier,
      chosen: deviceId === chosenId,
    };
  });
}

/** Of a thousand servers a look at each is enough: sorting them all would take as long as choosing did. */
function bestFew(list: readonly Valued[], chosenId: string): Valued[] {
  const few: Valued[] = [];
  let worst = 0;
  for (const one of list) {
    if (one.option.deviceId === chosenId) continue;
    if (few.length < MAX_CONSIDERED - 1) few.push(one);
    else if (inOrder(one, few[worst] ?? one) < 0) few[worst] = one;
    else continue;
    if (few.length < MAX_CONSIDERED - 1) continue;
    worst = few.reduce((at, other, index) => (inOrder(other, few[at] ?? other) > 0 ? index : at), 0);
  }
  const chosen = list.find(({ option }) => option.deviceId === chosenId);
  return chosen ? [...few, chosen] : few;
}

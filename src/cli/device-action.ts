import { nearest } from '../config/nearest.ts';
import { quote } from '../config/pick.ts';
import { OllanaError } from '../errors.ts';
import { COMMAND_TEXTS } from './command-texts.ts';
import { allowDevice, type DeviceOrder, disableDevice, listDevices, showDevice } from './device.ts';

/** Carries an action out; `what` is typed after it. */
type Action = (order: DeviceOrder, what: string) => number | Promise<number>;

/** What each action takes after it: nothing, one thing, or one thing if it likes. */
const ACTIONS: Readonly<
  Record<string, { readonly takes: 'nothing' | 'one' | 'maybe'; readonly run: Action }>
> = {
  show: { takes: 'nothing', run: (order) => showDevice(order) },
  list: { takes: 'nothing', run: (order) => listDevices(order) },
  allow: { takes: 'one', run: allowDevice },
  disable: { takes: 'one', run: disableDevice },
  pair: {
    takes: 'maybe',
    run: async (order, what) => {
      const { pairDevice, showCode } = await import('./device-pair.ts');
      return what === '' ? showCode(order) : pairDevice(order, what);
    },
  },
};

/** What `ollana device` can be told. */
export const DEVICE_ACTIONS: readonly string[] = Object.keys(ACTIONS);

/** Runs `ollana device WORDS` and returns the exit code. Throws OLLANA_BAD_OPTION for what is no action, and its errors. */
export async function deviceAction(order: DeviceOrder, words: readonly string[]): Promise<number> {
  const [word, what] = words;
  const action = word !== undefined && Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined;
  if (!action) {
    const near = word === undefined ? undefined : nearest(word, Object.keys(ACTIONS));
    const wrong = word === undefined ? 'say what to do' : `unknown action ${quote(word)}`;
    throw badUsage(near === undefined ? wrong : `${wrong}, did you mean ${near}?`);
  }
  if (action.takes === 'one' && what === undefined) throw badUsage(`device ${word}: ID is missing`);
  if (action.takes === 'nothing' && what !== undefined)
    throw badUsage(`device ${word} takes nothing after it, not ${quote(what)}`);
  return action.run(order, what ?? '');
}

function badUsage(what: string): OllanaError {
  return new OllanaError('OLLANA_BAD_OPTION', `${what}: usage: ${COMMAND_TEXTS.device.usage}`);
}

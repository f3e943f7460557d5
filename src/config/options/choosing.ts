import { option } from '../option.ts';
import { checkSubstitute } from '../substitute.ts';
import { asTyped, parseChoice, parseCount, parseDuration, parseSwitch } from '../values.ts';

const POLICIES = ['fastest', 'race', 'least-busy', 'first', 'random'] as const;
const CHOOSING = ['client', 'demo'] as const;

/** How a client chooses a server, what it may change in a request, and how many requests a server runs. */
export const CHOOSING_OPTIONS = Object.freeze({
  policy: option({
    flag: 'policy',
    env: 'OLLANA_POLICY',
    kind: 'value',
    hint: 'NAME',
    choices: POLICIES,
    parse: parseChoice(POLICIES),
    fallback: 'fastest',
    help: 'which server gets a request: where it finishes first (fastest), several at once and the first token wins (race), the one with fewest requests (least-busy), the first that was found (first), any (random)',
    commands: CHOOSING,
  }),
  raceWidth: option({
    flag: 'race',
    env: 'OLLANA_RACE',
    kind: 'value',
    hint: 'N',
    parse: parseCount(2, 6),
    fallback: '2',
    help: 'how many servers race for a request with --policy race, 2 to 6',
    commands: CHOOSING,
  }),
  holdMs: option({
    flag: 'hold',
    env: 'OLLANA_HOLD',
    kind: 'value',
    hint: 'TIME',
    parse: (text) => parseDuration(text),
    fallback: '30s',
    help: 'how long a request that runs a model waits for a server to appear or recover; a bare number is seconds, 0 does not wait',
    commands: CHOOSING,
  }),
  substitute: option({
    flag: 'substitute',
    env: 'OLLANA_SUBSTITUTE',
    kind: 'list',
    hint: 'WANTED=OTHER',
    parse: asTyped(checkSubstitute),
    fallbackHelp: 'off',
    help: 'another model that may answer where it is loaded and the wanted one is not; same-family lets any model of the same family',
    commands: CHOOSING,
  }),
  protectContext: option({
    flag: 'protect-context',
    env: 'OLLANA_PROTECT_CONTEXT',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'drop a num_ctx that the loaded model already covers, which saves a reload',
    commands: CHOOSING,
  }),
  autoPull: option({
    flag: 'auto-pull',
    env: 'OLLANA_AUTO_PULL',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'pull a model that no server has when a request wants it',
    commands: CHOOSING,
  }),
  parallel: option({
    flag: 'parallel',
    env: 'OLLANA_PARALLEL',
    kind: 'value',
    hint: 'N',
    parse: parseCount(1, 64),
    fallbackHelp: 'found out from Ollama, which has OLLAMA_NUM_PARALLEL',
    help: 'how many requests Ollama runs at once for each model, 1 to 64',
    commands: ['serve'],
  }),
});

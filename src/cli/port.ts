import { nearest } from '../config/nearest.ts';
import { ASIDE_PORT, OLLAMA_PORT } from '../config/own-ollama.ts';
import { quote } from '../config/pick.ts';
import type { Surroundings } from '../config/surroundings.ts';
import { OllanaError } from '../errors.ts';
import { EXIT } from './exit-codes.ts';
import { portHolder } from './port-holder.ts';
import { isAside, moveAside, moveBack, UNIT_DIR } from './port-move.ts';
import { plainText } from './text.ts';

/** What `ollana port` can be told. */
export const PORT_ACTIONS = ['show', 'take', 'give'] as const;

type Here = Pick<Surroundings, 'env' | 'platform'>;
type Steps = Readonly<Record<'take' | 'give', readonly string[]>>;

/** What the user does himself where no service manager of ours does it. */
const STEPS: Partial<Readonly<Record<NodeJS.Platform, Steps>>> = {
  darwin: {
    take: [
      `launchctl setenv OLLAMA_HOST 127.0.0.1:${ASIDE_PORT}`,
      'quit Ollama in the menu bar, and open it again',
    ],
    give: ['launchctl unsetenv OLLAMA_HOST', 'quit Ollama in the menu bar, and open it again'],
  },
  win32: {
    take: [`setx OLLAMA_HOST 127.0.0.1:${ASIDE_PORT}`, 'quit Ollama in the task bar, and start it again'],
    give: [
      'reg delete HKCU\\Environment /F /V OLLAMA_HOST',
      'quit Ollama in the task bar, and start it again',
    ],
  },
};

/**
 * Runs `ollana port [show|take|give]` and returns the exit code: what is changed, is changed by `take` and `give` alone.
 * Throws OLLANA_BAD_OPTION and OLLANA_START_FAILED.
 */
export async function portAction(words: readonly string[], here: Here): Promise<number> {
  const [word = 'show', more] = words;
  const action = PORT_ACTIONS.find((known) => known === word);
  if (!action) {
    const near = nearest(word, PORT_ACTIONS);
    const hint = near ? `did you mean ${near}?` : `give one of ${PORT_ACTIONS.join(', ')}`;
    throw new OllanaError('OLLANA_BAD_OPTION', `unknown action ${quote(word)}: ${hint}`);
  }
  if (more !== undefined) throw new OllanaError('OLLANA_BAD_OPTION', `unexpected argument ${quote(more)}`);
  if (action === 'show') say(await showText(here));
  else say(here.platform === 'linux' ? await moved(action, here) : stepsText(action, here.platform));
  return EXIT.ok;
}

async function moved(action: 'take' | 'give', { env }: Here): Promise<string> {
  if (action === 'give')
    return (await moveBack({ env }))
      ? 'Ollama has its own settings again and was restarted'
      : 'nothing to do: Ollama was not moved aside by ollana';
  await moveAside({ env });
  return `Ollama was restarted and listens on 127.0.0.1:${ASIDE_PORT}; start \`ollana --take-port\` now, \`ollana port give\` undoes this`;
}

async function showText({ platform }: Here): Promise<string> {
  const holder = await portHolder('127.0.0.1', OLLAMA_PORT);
  const isMoved = platform === 'linux' && isAside();
  const steps =
    platform === 'linux'
      ? `\`sudo ollana port take\` would write ${UNIT_DIR}/, which sets OLLAMA_HOST=127.0.0.1:${ASIDE_PORT}, and restart the service ollama`
      : stepsText('take', platform);
  return [
    `port ${OLLAMA_PORT}: ${holder ?? 'nobody that could be asked is there'}`,
    isMoved ? 'Ollama is moved aside; `sudo ollana port give` undoes it' : steps,
  ].join('\n');
}

/** What is to be typed on systems where nothing is done for the user. Pure. */
export function stepsText(action: 'take' | 'give', platform: NodeJS.Platform): string {
  const host = action === 'take' ? `with OLLAMA_HOST=127.0.0.1:${ASIDE_PORT}` : 'without OLLAMA_HOST';
  const steps = STEPS[platform]?.[action] ?? [`start Ollama again ${host}`];
  const more =
    action === 'take' ? ['then start `ollana --take-port`; `ollana port give` says how to undo it'] : [];
  return [
    'on this system you do it yourself:',
    ...[...steps, ...more].map((step, at) => `  ${at + 1}. ${step}`),
  ].join('\n');
}

function say(text: string): void {
  process.stdout.write(`${text.split('\n').map(plainText).join('\n')}\n`);
}

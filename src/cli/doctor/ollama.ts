import { judging, type Verdict } from './verdict.ts';

/** What is known of this machine's own Ollama. */
export interface OllamaFacts {
  /** Base URL where it is looked for. */
  readonly url: string;
  /** `ollana`: another of ours is there; `other`: something that is no Ollama. */
  readonly answer: 'ollama' | 'ollana' | 'other' | 'none';
  readonly version?: string;
  /** Its variables; undefined: nobody tells. */
  readonly variables?: ReadonlyMap<string, string>;
  /** It is reached from other machines, past ollana; undefined: nobody tells. */
  readonly isOpen?: boolean;
  /** OLLAMA_HOST of this terminal. */
  readonly ownHost?: string | undefined;
  /** A server-mode ollana of this data directory is running. */
  readonly serves: boolean;
  readonly platform: string;
}

/** Whether this machine's Ollama answers; a client needs none. Pure. */
export function judgeOllama({ url, answer, version, serves, platform }: OllamaFacts): Verdict {
  const { ok, problem } = judging('ollama', 'Ollama');
  if (answer === 'ollama') return ok(`version ${version ?? 'unknown'} at ${url}`);
  if (answer === 'ollana')
    return problem(`what answers at ${url} is an ollana, no Ollama`, [
      '# give the real one: --ollama http://127.0.0.1:PORT',
    ]);
  if (answer === 'other')
    return problem(`what answers at ${url} is no Ollama`, [
      '# stop that, or give the real one: --ollama http://127.0.0.1:PORT',
    ]);
  const seen = `none answers at ${url}`;
  if (!serves) return ok(`${seen}; only \`ollana serve\` needs one`);
  return problem(`${seen}, so \`ollana serve\` has nothing to offer`, [startCommand(platform)]);
}

/** Whether Ollama listens where only ollana reaches it. Pure. */
export function judgeBinding({ answer, isOpen, serves, platform, ownHost, url }: OllamaFacts): Verdict {
  const { ok, problem, unknown } = judging('ollama-address', 'Address of Ollama');
  if (ownHost !== undefined && /^\s*$|[\s,;]/.test(ownHost.trim()))
    return problem(`OLLAMA_HOST is ${JSON.stringify(ownHost)}, which is no address`, ['unset OLLAMA_HOST']);
  if (answer !== 'ollama') return ok('nothing to look at');
  if (isOpen === undefined) return unknown('the system does not tell where it listens');
  if (!isOpen) return ok(`only this machine reaches ${url}`);
  if (!serves)
    return ok('every machine reaches it directly; `ollana serve` would queue and admit them instead');
  return problem('it listens on every address, so that others pass by the queue and the pairing of ollana', [
    ...setting(platform, 'OLLAMA_HOST', '127.0.0.1:11434'),
  ]);
}

/** More at once divides the context memory of a GPU among so many that models leave it. */
const MOST_PARALLEL = 16;
/** A model that leaves sooner is loaded again for each question of a person, s. */
const LEAST_KEEP_ALIVE_S = 60;

/** Settings of Ollama that make it slow, one verdict each, or one that says that there are none. Pure. */
export function judgeSettings({ answer, variables, platform }: OllamaFacts): readonly Verdict[] {
  const { ok, problem, unknown } = judging('ollama-settings', 'Settings of Ollama');
  if (answer !== 'ollama') return [ok('nothing to look at')];
  if (!variables) return [unknown('its environment cannot be read: of another user, or not on this machine')];
  const found: Verdict[] = [];
  const parallel = variables.get('OLLAMA_NUM_PARALLEL')?.trim() ?? '';
  if (parallel !== '' && !/^\d+$/.test(parallel))
    found.push(
      problem(
        `OLLAMA_NUM_PARALLEL is ${JSON.stringify(parallel)}, which is no number`,
        setting(platform, 'OLLAMA_NUM_PARALLEL', '2'),
      ),
    );
  else if (Number(parallel) > MOST_PARALLEL)
    found.push(
      problem(
        `OLLAMA_NUM_PARALLEL is ${parallel}: each of them takes context memory, so models leave the GPU`,
        setting(platform, 'OLLAMA_NUM_PARALLEL', '4'),
      ),
    );
  const keepAlive = variables.get('OLLAMA_KEEP_ALIVE')?.trim() ?? '';
  const seconds = keepAlive === '' ? undefined : secondsOf(keepAlive);
  if (seconds !== undefined && seconds < LEAST_KEEP_ALIVE_S) {
    const meant = /^\d+$/.test(keepAlive) ? ' (a bare number is seconds)' : '';
    found.push(
      problem(
        `OLLAMA_KEEP_ALIVE is ${keepAlive}${meant}: models leave memory at once and are loaded again`,
        setting(platform, 'OLLAMA_KEEP_ALIVE', /^[1-9]\d*$/.test(keepAlive) ? `${keepAlive}m` : '5m'),
      ),
    );
  }
  return found.length > 0 ? found : [ok('none of them hurts')];
}

/** Seconds of a duration as Go writes it, for ever where it is negative; undefined: it is none, and Ollama goes by its own. */
function secondsOf(text: string): number | undefined {
  if (text.startsWith('-')) return Number.POSITIVE_INFINITY;
  if (/^\d+$/.test(text)) return Number(text);
  const units: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.map(([part]) => part).join('') !== text) return undefined;
  return parts.reduce((sum, [, number, unit = '']) => sum + Number(number) * (units[unit] ?? 0), 0);
}

function startCommand(platform: string): string {
  if (platform === 'linux') return 'sudo systemctl start ollama  # or: ollama serve';
  return platform === 'darwin' ? 'open -a Ollama' : 'ollama serve';
}

/** How one of Ollama's variables is set on a system. */
function setting(platform: string, name: string, value: string): readonly string[] {
  if (platform === 'darwin')
    return [`launchctl setenv ${name} ${value}`, '# then quit Ollama in the menu bar, and open it again'];
  if (platform === 'win32')
    return [`setx ${name} ${value}`, '# then quit Ollama in the task bar, and start it again'];
  return [
    `sudo systemctl edit ollama    # [Service] Environment="${name}=${value}"`,
    'sudo systemctl restart ollama',
  ];
}

import type { ShellName } from '../config/options/asking.ts';
import { looksLikeKey } from '../security/api-key.ts';

/** Stands for a key where nobody asks for one: apps refuse to start without any. */
const PLACEHOLDER = 'ollana';

/** Where apps keep their keys, in the order in which they are looked at. */
const KEYS = ['OPENAI_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_API_KEY'] as const;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The variables that lead apps to an ollana at `url`. A key of an ollana that is set already is used for all; any other
 * is for somebody else's servers and would be sent to these, so a placeholder stands in its place. Pure.
 */
export function appVariables(url: string, env: Env): Readonly<Record<string, string>> {
  const key = KEYS.map((name) => env[name]?.trim() ?? '').find(looksLikeKey) ?? PLACEHOLDER;
  return {
    OLLAMA_HOST: url,
    OPENAI_BASE_URL: `${url}/v1`,
    OPENAI_API_KEY: key,
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_AUTH_TOKEN: key,
    // Empty, as Ollama's own guide has it: with both set, Claude Code complains.
    ANTHROPIC_API_KEY: '',
  };
}

/** How each shell sets a variable, and how its user runs the whole. Values are single-quoted as that shell has it. */
const SYNTAX: Readonly<
  Record<ShellName, { readonly line: (name: string, value: string) => string; readonly hint: string }>
> = {
  bash: { line: exported, hint: '# Run: eval "$(ollana env --shell bash)"' },
  zsh: { line: exported, hint: '# Run: eval "$(ollana env --shell zsh)"' },
  fish: {
    line: (name, value) => `set -gx ${name} '${value.replace(/[\\']/g, '\\$&')}';`,
    hint: '# Run: ollana env --shell fish | source',
  },
  powershell: {
    line: (name, value) => `$env:${name} = '${value.replaceAll("'", "''")}'`,
    hint: '# Run: ollana env --shell powershell | Out-String | Invoke-Expression',
  },
  cmd: {
    // With the quotes around both, nothing in a URL ends the value.
    line: (name, value) => `set "${name}=${value.replaceAll('%', '%%')}"`,
    hint: `rem Run: for /f "delims=" %i in ('ollana env --shell cmd') do @%i`,
  },
};

/** The variables as a shell reads them, with a last line that says how. Pure. */
export function envText(variables: Readonly<Record<string, string>>, shell: ShellName): string {
  const { line, hint } = SYNTAX[shell];
  return [...Object.entries(variables).map(([name, value]) => line(name, value)), hint, ''].join('\n');
}

function exported(name: string, value: string): string {
  return `export ${name}='${value.replaceAll("'", "'\\''")}'`;
}

/** The shell that a user types in, as far as the session tells. Pure. */
export function shellOf(env: Env, platform: NodeJS.Platform): ShellName {
  const name = /([^/\\]+?)(?:\.exe)?$/i.exec(env.SHELL ?? '')?.[1]?.toLowerCase();
  if (name === 'zsh' || name === 'fish') return name;
  if (name === 'pwsh') return 'powershell';
  // SHELL is set on Windows by those that are none of its own, as Git's bash.
  return platform === 'win32' && name === undefined ? 'powershell' : 'bash';
}

import { win32 } from 'node:path';

/** What `spawn` needs to run a program. */
export interface SpawnCall {
  readonly file: string;
  readonly args: readonly string[];
  /** Windows: the arguments are one command line already. */
  readonly isVerbatim: boolean;
}

/** What PATHEXT is where nobody has changed it, as far as it concerns programs. */
const USUAL_EXTENSIONS = '.COM;.EXE;.BAT;.CMD';

/**
 * How a program is started on Windows as its user would at the prompt: `npm` is `npm.cmd` there, which only cmd.exe can
 * run, by rules of its own about quotes. Undefined where there is no such program. Pure but for `exists`.
 */
export function windowsCall(
  program: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  exists: (path: string) => boolean,
): SpawnCall | undefined {
  const [name = '', ...args] = program;
  const file = candidates(name, env).find(exists);
  if (file === undefined) return undefined;
  if (!/\.(cmd|bat)$/i.test(file)) return { file, args, isVerbatim: false };
  const line = [escaped(`"${file}"`), ...args.map((arg) => escaped(escaped(quoted(arg))))].join(' ');
  return {
    file: env.ComSpec ?? env.COMSPEC ?? 'cmd.exe',
    args: ['/d', '/s', '/c', `"${line}"`],
    isVerbatim: true,
  };
}

function candidates(name: string, env: Readonly<Record<string, string | undefined>>): string[] {
  const extensions = (env.PATHEXT || USUAL_EXTENSIONS).split(';').filter((one) => one !== '');
  const isWhole = extensions.some((one) => name.toLowerCase().endsWith(one.toLowerCase()));
  const names = isWhole ? [name] : extensions.map((one) => name + one.toLowerCase());
  if (/[\\/]/.test(name)) return names;
  const folders = (env.Path ?? env.PATH ?? '').split(';').filter((one) => one !== '');
  return folders.flatMap((folder) => names.map((one) => win32.join(folder, one)));
}

/** An argument as the C runtime reads it: backslashes before a quote are doubled. */
function quoted(text: string): string {
  return `"${text.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, '$1$1')}"`;
}

/** What cmd.exe would take for its own; arguments pass it twice, as a batch file hands them on. */
function escaped(text: string): string {
  return text.replace(/[()\][%!^"`<>&|;, *?]/g, '^$&');
}

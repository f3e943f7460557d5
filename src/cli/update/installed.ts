import type { Running } from '../service/program.ts';

/** The way by which ollana came to this machine. */
export type Installed =
  | 'executable'
  | 'debian'
  | 'homebrew'
  | 'container'
  | 'npx'
  | 'npm'
  | 'project'
  | 'checkout';

/** Tells it by what runs and where that lies; `script` without links. Pure. */
export function howInstalled({ script = '', isSingle }: Omit<Running, 'executable'>): Installed {
  if (isSingle) return 'executable';
  const path = script.replaceAll('\\', '/');
  if (path.startsWith('/usr/lib/ollana/')) return 'debian';
  if (/\/Cellar\/ollana\//.test(path)) return 'homebrew';
  // packaging/Dockerfile
  if (path.startsWith('/ollana/dist/')) return 'container';
  if (path.includes('/_npx/')) return 'npx';
  // Where npm has what is installed for all: lib/node_modules, on Windows AppData/Roaming/npm/node_modules.
  if (/\/(lib|npm|nodejs)\/node_modules\/ollana\//.test(path)) return 'npm';
  return path.includes('/node_modules/ollana/') ? 'project' : 'checkout';
}

/** What is to be done to have another version, a line. Pure. */
export function howToUpdate(installed: Installed, version: string): string {
  const ways: Readonly<Record<Installed, string>> = {
    executable: `replace this file by ollana-${version} for your system, from where you had it`,
    debian: `apt install ./ollana_${version}_all.deb, from where you had it`,
    homebrew: 'brew upgrade ollana',
    container: 'build or pull the image of that version, and start the container anew',
    npx: `npx ollana@${version}`,
    npm: `npm install -g ollana@${version}`,
    project: `npm install ollana@${version}`,
    checkout: 'git pull && npm install',
  };
  return ways[installed];
}

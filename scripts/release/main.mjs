// Builds everything that is given to people, from this checkout, into a folder:
//   npm run release -- [--out DIR] [--only npm,exe,deb,texts] [--platform linux-x64,...]
// the npm package, single executables, the Debian package, Homebrew's and winget's texts, the bill of materials, and
// SHA256SUMS of all. Nothing is uploaded: `npm publish --provenance FILE` and the rest are for whoever holds the keys.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildDeb, canBuildDeb } from './deb.mjs';
import { buildExecutable, HERE, npm, PLATFORMS } from './executable.mjs';
import { render } from './render.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'release' },
    only: { type: 'string', default: 'npm,exe,deb,texts' },
    platform: { type: 'string', default: PLATFORMS.join(',') },
  },
});
const out = resolve(values.out);
const wanted = new Set(values.only.split(','));
const platforms = values.platform.split(',').map((name) => (name === 'here' ? HERE : name));
for (const name of platforms)
  if (!PLATFORMS.includes(name)) throw new Error(`--platform ${name} is none of ${PLATFORMS.join(', ')}`);
const cache = process.env.OLLANA_CI_CACHE ?? join(homedir(), '.cache', 'ollana-ci');
const work = mkdtempSync(join(tmpdir(), 'ollana-release-'));
const say = (text) => process.stdout.write(`${text}\n`);
const made = (file) => say(`  ${file}  ${(statSync(join(out, file)).size / 1e6).toFixed(1)} MB`);

try {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  say(`ollana ${version}, into ${out}`);
  const tarball = npm(['pack', '--silent', '--pack-destination', out], { cwd: root })
    .trim()
    .split('\n')
    .at(-1);
  made(tarball);
  const tree = join(work, 'tree');
  if (wanted.has('exe') || wanted.has('deb')) install(join(out, tarball), tree);
  if (wanted.has('deb')) {
    const file = `ollana_${version}_all.deb`;
    if (canBuildDeb()) buildDeb({ root, tree, work, version, output: join(out, file) });
    if (canBuildDeb()) made(file);
    else say('  no Debian package: dpkg-deb is not here');
  }
  if (wanted.has('exe'))
    for (const platform of platforms) {
      const file = `ollana-${version}-${platform}${platform.startsWith('win') ? '.exe' : ''}`;
      buildExecutable({ platform, tree, work, cache, output: join(out, file) });
      made(file);
    }
  const bom = execFileSync(process.execPath, [join(root, 'scripts', 'sbom.mjs')], { maxBuffer: 64 << 20 });
  writeFileSync(join(out, `ollana-${version}.cdx.json`), bom);
  if (wanted.has('texts')) texts(tarball);
  const sums = readdirSync(out).map((file) => `${sha256(file)}  ${file}\n`);
  writeFileSync(join(out, 'SHA256SUMS'), sums.join(''));
  say(`  SHA256SUMS of ${sums.length} files`);
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** The package with its dependencies, those of the lock file, as somebody who installed it has them. */
function install(tarball, tree) {
  mkdirSync(tree, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '-C', tree, '--strip-components=1']);
  cpSync(join(root, 'package-lock.json'), join(tree, 'package-lock.json'));
  // Not `npm ci`: see scripts/newcomer.mjs.
  npm(['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--no-bin-links'], {
    cwd: tree,
  });
  rmSync(join(tree, 'package-lock.json'));
  rmSync(join(tree, 'node_modules', '.package-lock.json'), { force: true });
}

/** What Homebrew and winget want to be told, with this release's hashes. */
function texts(tarball) {
  const windows = `ollana-${version}-win-x64.exe`;
  const facts = {
    VERSION: version,
    NPM_SHA256: sha256(tarball),
    WINDOWS_SHA256: readdirSync(out).includes(windows) ? sha256(windows).toUpperCase() : '0'.repeat(64),
  };
  for (const folder of ['homebrew', 'winget'])
    for (const name of readdirSync(join(root, 'packaging', folder)))
      writeFileSync(
        join(out, name),
        render(readFileSync(join(root, 'packaging', folder, name), 'utf8'), facts),
      );
}

function sha256(file) {
  return createHash('sha256')
    .update(readFileSync(join(out, file)))
    .digest('hex');
}

// Makes the Debian package: the files under /usr/lib/ollana, for Debian's own Node, and the unit, not enabled.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { render } from './render.mjs';

/** Whether this machine can: dpkg-deb is Debian's. */
export function canBuildDeb() {
  try {
    execFileSync('dpkg-deb', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Writes the package to `output`. `tree` is the installed package with its dependencies. */
export function buildDeb({ root, tree, work, version, output }) {
  const stage = join(work, 'deb');
  const place = (...path) => {
    mkdirSync(join(stage, ...path.slice(0, -1)), { recursive: true });
    return join(stage, ...path);
  };
  cpSync(tree, place('usr', 'lib', 'ollana'), { recursive: true });
  symlinkSync('../lib/ollana/dist/cli.js', place('usr', 'bin', 'ollana'));
  cpSync(join(root, 'ollana.service'), place('usr', 'lib', 'systemd', 'system', 'ollana.service'));
  cpSync(join(root, 'LICENSE'), place('usr', 'share', 'doc', 'ollana', 'copyright'));
  const size = Math.ceil(sizeOf(stage) / 1024);
  for (const name of ['control', 'postinst', 'prerm', 'postrm']) {
    const text = readFileSync(join(root, 'packaging', 'debian', name), 'utf8');
    const file = place('DEBIAN', name);
    writeFileSync(file, render(text, { VERSION: version, SIZE: String(size) }));
    chmodSync(file, name === 'control' ? 0o644 : 0o755);
  }
  openToAll(stage);
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', stage, output], { stdio: 'ignore' });
}

const entries = (folder) => readdirSync(folder, { recursive: true, withFileTypes: true });

function sizeOf(folder) {
  return entries(folder)
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + readFileSync(join(entry.parentPath, entry.name)).length, 0);
}

/** Whatever the mask of whoever builds it, everybody may read what is installed. */
function openToAll(folder) {
  chmodSync(folder, 0o755);
  for (const entry of entries(folder)) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) chmodSync(path, 0o755);
    else if (entry.isFile() && !path.includes('DEBIAN'))
      chmodSync(path, path.endsWith(join('dist', 'cli.js')) ? 0o755 : 0o644);
  }
}

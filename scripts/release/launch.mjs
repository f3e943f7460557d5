// The beginning of the single executable. Node runs one file from inside an executable and no more, so what ollana
// consists of is laid out once, in a folder of the user's own that is named by its hash, and run from there.
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { getRawAsset } from 'node:sea';
import { brotliDecompressSync } from 'node:zlib';

/** More than this no payload of ours decompresses to, bytes. */
const MAX_BYTES = 256 << 20;

const payload = Buffer.from(getRawAsset('payload'));
const name = createHash('sha256').update(payload).digest('hex').slice(0, 32);
const folder = installed() ?? laidOut();
const script = join(folder, 'dist', 'cli.js');
// The script stands where Node has it, so that ollana starts itself in the background as it does under Node.
process.argv[1] = script;
if (process.argv[2] === script) process.argv.splice(2, 1);
createRequire(script)(join(folder, 'start.cjs'));

/** Where it was laid out before. A folder that others could have written to is not run from. */
function installed() {
  for (const base of bases()) if (isOurs(base) && isOurs(join(base, name))) return join(base, name);
  return undefined;
}

/** Lays it out in the first place that can be written; ends the process where there is none. */
function laidOut() {
  const reasons = [];
  for (const base of [...bases(), undefined]) {
    try {
      const home = base ?? mkdtempSync(join(tmpdir(), 'ollana-'));
      mkdirSync(home, { recursive: true, mode: 0o700 });
      if (!isOurs(home)) throw new Error(`${home} can be written by others`);
      return layOut(home);
    } catch (error) {
      reasons.push(error.message);
    }
  }
  process.stderr.write(
    `ollana: no folder to unpack to (${reasons.join('; ')}): name one of yours with OLLANA_CACHE_DIR\n`,
  );
  process.exit(1);
}

/** All at once or not at all: a second process, or the end of this one, never sees half of it. */
function layOut(base) {
  const draft = mkdtempSync(join(base, 'new-'));
  try {
    const whole = brotliDecompressSync(payload, { maxOutputLength: MAX_BYTES });
    const end = whole.indexOf(10);
    let at = end + 1;
    for (const [path, length] of JSON.parse(whole.subarray(0, end).toString())) {
      const file = join(draft, path);
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      writeFileSync(file, whole.subarray(at, at + length), { mode: 0o600 });
      at += length;
    }
    renameSync(draft, join(base, name));
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another process was faster.
    if (!isOurs(join(base, name))) throw error;
  }
  return join(base, name);
}

/** Folders that last, best first: systemd's cache directory, the platform's place for a user's caches. */
function* bases() {
  const { OLLANA_CACHE_DIR, CACHE_DIRECTORY, XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  for (const own of [OLLANA_CACHE_DIR, CACHE_DIRECTORY?.split(':')[0]]) if (own && isAbsolute(own)) yield own;
  if (process.platform === 'win32') {
    if (LOCALAPPDATA) yield join(LOCALAPPDATA, 'ollana', 'Cache');
    return;
  }
  if (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME)) yield join(XDG_CACHE_HOME, 'ollana');
  const home = homedir();
  if (!isAbsolute(home)) return;
  yield process.platform === 'darwin'
    ? join(home, 'Library', 'Caches', 'ollana')
    : join(home, '.cache', 'ollana');
}

/** A folder, no link, that belongs to this user, or root, and that nobody else can write. Windows inherits its rules. */
function isOurs(path) {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found?.isDirectory()) return false;
  return (
    process.platform === 'win32' || ([0, userInfo().uid].includes(found.uid) && (found.mode & 0o022) === 0)
  );
}

// What `npm start` and `npm test` run, so that both work on a bare clone with nothing but Node: checks Node, installs
// and builds when that is due, then starts the demo or runs every check. Plain JavaScript without dependencies,
// because it runs before there are any.
//   node scripts/newcomer.mjs start [arguments of `ollana demo`]
//   node scripts/newcomer.mjs install     only the installing and building
//   node scripts/newcomer.mjs test [--loopback] [vitest file filters]   --loopback: only what needs no namespace
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => join(root, ...parts);
const mtime = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
const say = (line) => process.stdout.write(`${line}\n`);

function fail(message, code = 1) {
  process.stderr.write(`ollana: ${message}\n`);
  process.exit(code);
}

/** Runs a step to its end with its output shown, saying before what it is and after how long it took. */
function step(title, command, args, remedy) {
  say(`ollana: ${title} ...`);
  const started = performance.now();
  // npm is npm.cmd on Windows, which only a shell starts.
  const shell = process.platform === 'win32' && command === 'npm';
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (status !== 0)
    fail(
      `${title} failed after ${seconds} s (${error?.message ?? signal ?? `exit code ${status}`}); ${remedy}`,
    );
  say(`ollana: done in ${seconds} s`);
}

function checkNode() {
  const floor = JSON.parse(readFileSync(at('package.json'), 'utf8')).engines.node.replace(/[^\d.]/g, '');
  const [wantMajor, wantMinor] = floor.split('.').map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < wantMajor || (major === wantMajor && minor < wantMinor))
    fail(
      `Node ${floor} or newer is needed, this is ${process.version} (${process.execPath}); install a newer Node`,
    );
}

function install() {
  const installed = mtime(at('node_modules', '.package-lock.json'));
  if (installed >= mtime(at('package-lock.json')) && installed > 0) return;
  const why = installed === 0 ? 'installing the packages' : 'package-lock.json changed, installing again';
  // The npm that runs this script, when one does: the first one on the PATH may belong to another Node.
  const npm = process.env.npm_execpath?.endsWith('.js')
    ? [process.execPath, process.env.npm_execpath]
    : ['npm'];
  // Not `npm ci`: that refuses a lock file written where the registry does not carry the packages of every platform.
  // --no-save: the lock file stays as it is checked in.
  const args = ['install', '--no-save', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  step(
    `${why} with npm install (10 to 60 s, once)`,
    npm[0],
    [...npm.slice(1), ...args],
    'is the npm registry reachable?',
  );
}

/** When something below `folder` last changed; a folder counts too, since deleting a file changes only that. */
function newest(folder) {
  const entries = readdirSync(folder, { withFileTypes: true });
  const times = entries.map((e) =>
    e.isDirectory() ? newest(join(folder, e.name)) : mtime(join(folder, e.name)),
  );
  return Math.max(mtime(folder), ...times);
}

function build() {
  const built = mtime(at('dist', 'cli.js'));
  if (built > 0 && built >= newest(at('src'))) return;
  step(
    'building dist/ from src/ (a few seconds)',
    process.execPath,
    [at('scripts', 'build.mjs')],
    'see the lines above',
  );
}

const [task, ...rest] = process.argv.slice(2);
if (!['start', 'test', 'install'].includes(task))
  fail('usage: node scripts/newcomer.mjs start|test|install [arguments]', 2);
checkNode();
if (!existsSync(at('package-lock.json')))
  fail(`${root} is no checkout of ollana: package-lock.json is missing`);
install();
build();
if (task === 'start') {
  const { startDemo } = await import('./newcomer/demo.mjs');
  startDemo(root, rest);
} else if (task === 'test') {
  const { runChecks } = await import('./newcomer/checks.mjs');
  process.exitCode = await runChecks(root, rest);
}

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { skipBecause } from '../_skip.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const HERE = `${process.platform}-${process.arch}`;
const MINUTES = 60_000;

/** The Nodes that the package is installed with and run by. */
const NODES = [process.execPath, ...(process.env.OLLANA_PACKAGE_NODES ?? '').split(delimiter)].filter(
  Boolean,
);

/** What a person has who installs ollana: no variable of this session, and no Node but the one named. */
const bare = (home: string, path = '') => ({ HOME: home, PATH: path, OLLANA_INTERFACE: 'lo' });

describe('what is released', { timeout: 2 * MINUTES }, () => {
  const missing = process.env.OLLANA_RELEASE_NODE
    ? undefined
    : 'no Node to put into the single executable: .ci/run fetches it (OLLANA_RELEASE_NODE)';
  skipBecause(missing);
  const base = mkdtempSync(join(tmpdir(), 'ollana-release-test-'));
  const out = join(base, 'out');

  beforeAll(() => {
    if (missing !== undefined) return;
    const args = ['scripts/release/main.mjs', '--platform', 'here', '--out', out];
    execFileSync(process.execPath, args, { cwd: ROOT, stdio: 'ignore' });
  }, 5 * MINUTES);
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  const home = (name: string): string => {
    const folder = join(base, name);
    mkdirSync(folder);
    return folder;
  };

  it('has a checksum for each file', () => {
    const sums = readFileSync(join(out, 'SHA256SUMS'), 'utf8').trimEnd().split('\n');
    for (const [sum, file = ''] of sums.map((line) => line.split('  ')))
      expect(
        createHash('sha256')
          .update(readFileSync(join(out, file)))
          .digest('hex'),
        file,
      ).toBe(sum);
    expect(sums.length).toBe(readdirSync(out).length - 1);
  });

  it('is a package of less than 3 MB', () => {
    expect(statSync(join(out, `ollana-${version}.tgz`)).size).toBeLessThan(3_000_000);
  });

  it.each(NODES)('is a package that installs globally without a script and runs, with %s', async (node) => {
    const prefix = mkdtempSync(join(base, 'prefix-'));
    const args = ['install', '-g', '--prefix', prefix, '--ignore-scripts', '--no-audit'];
    // npm is a script of whichever Node comes first.
    const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
    execFileSync('npm', [...args, join(out, `ollana-${version}.tgz`)], { env, stdio: 'ignore' });
    const script = join(prefix, 'lib', 'node_modules', 'ollana', 'dist', 'cli.js');
    await listens([node, script], bare(mkdtempSync(join(base, 'npm-home-'))));
  });

  it('is one file that runs where there is no Node, also in the background, and unpacks once', async () => {
    const folder = home('exe-home');
    const file = join(out, `ollana-${version}-${HERE}`);
    await listens([file], bare(folder));
    const [unpacked = ''] = readdirSync(join(folder, '.cache', 'ollana'));
    const before = statSync(join(folder, '.cache', 'ollana', unpacked)).ino;
    const args = ['-d', '--port', '0', '--no-mdns', '--no-udp'];
    const said = execFileSync(file, args, { env: bare(folder), encoding: 'utf8' });
    const pid = Number(/pid (\d+)/.exec(said)?.[1]);
    onTestFinished(() => void process.kill(pid, 'SIGKILL'));
    expect(said).toContain('listening on http://127.0.0.1:');
    expect(execFileSync(file, ['status'], { env: bare(folder), encoding: 'utf8' })).toContain(`pid ${pid}`);
    expect(readdirSync(join(folder, '.cache', 'ollana'))).toEqual([unpacked]);
    expect(statSync(join(folder, '.cache', 'ollana', unpacked)).ino).toBe(before);
  });

  it('is the program of its service, and not Node with a script', () => {
    const file = join(out, `ollana-${version}-${HERE}`);
    const args = ['service', 'install', '--user', '--dry-run'];
    const shown = execFileSync(file, args, { env: bare(home('service-home')), encoding: 'utf8' });
    expect(shown).toContain(`\nExecStart=${file}\n`);
    const daemon = execFileSync(file, ['service', 'install', '--dry-run'], {
      env: bare(home('daemon-home')),
      encoding: 'utf8',
    });
    expect(daemon).toContain(`\nExecStart=${file} serve\n`);
    expect(daemon).toContain('\nCacheDirectory=ollana\n');
  });

  it('does not run from a folder that others can write to', () => {
    const file = join(out, `ollana-${version}-${HERE}`);
    const folder = home('open-home');
    const cache = join(folder, '.cache', 'ollana');
    mkdirSync(cache, { recursive: true });
    execFileSync('chmod', ['777', cache]);
    execFileSync(file, ['--version'], { env: { ...bare(folder), TMPDIR: folder } });
    expect(readdirSync(cache)).toEqual([]);
  });

  it('is a Debian package whose program and unit are where Debian has them', async () => {
    const deb = join(out, `ollana_${version}_all.deb`);
    if (!existsSync(deb)) throw new Error('dpkg-deb is not here');
    const root = home('deb-root');
    execFileSync('dpkg-deb', ['-x', deb, root]);
    expect(readFileSync(join(root, 'usr/lib/systemd/system/ollana.service'), 'utf8')).toBe(
      readFileSync(join(ROOT, 'ollana.service'), 'utf8'),
    );
    const control = execFileSync('dpkg-deb', ['-f', deb], { encoding: 'utf8' });
    expect(control).toContain(`Version: ${version}`);
    expect(control).toMatch(/Depends: nodejs \(>= 20\.18\)/);
    await listens([process.execPath, join(root, 'usr/bin/ollana')], bare(home('deb-home')));
  });

  it('has texts for Homebrew and winget that name this version and these bytes', () => {
    const sum = createHash('sha256')
      .update(readFileSync(join(out, `ollana-${version}.tgz`)))
      .digest('hex');
    const formula = readFileSync(join(out, 'ollana.rb'), 'utf8');
    expect(formula).toContain(`-${version}.tgz"`);
    expect(formula).toContain(`sha256 "${sum}"`);
    const manifest = readFileSync(join(out, 'ollana.yaml'), 'utf8');
    expect(manifest).toContain(`PackageVersion: "${version}"`);
    expect(`${formula}${manifest}`).not.toMatch(/@[A-Z0-9_]+@/);
  });
});

/** Starts client mode, waits until it says that it listens, and ends it. */
async function listens(
  [command = '', ...args]: readonly string[],
  env: Record<string, string>,
): Promise<void> {
  const options = ['--port', '0', '--no-mdns', '--no-udp', '--no-local-fallback'];
  const child = spawn(command, [...args, ...options], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  expect(await firstLineWith(child, 'ollana is ready')).toMatch(/http:\/\/127\.0\.0\.1:\d+/);
  child.kill();
  await once(child, 'exit');
}

async function firstLineWith(child: ChildProcess, text: string): Promise<string> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
    said += piece;
    const line = said.split('\n').find((one) => one.includes(text));
    if (line !== undefined) child.emit('said', line);
  });
  child.once('exit', (code) => child.emit('said', `ended with ${code}: ${said}`));
  const [line] = (await once(child, 'said', { signal: AbortSignal.timeout(20_000) })) as [string];
  return line;
}

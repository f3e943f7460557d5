import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { claimPidFile, pidFileHolder } from '../src/daemon/pid-file.ts';
import { type DaemonState, runningDaemons, writeState } from '../src/daemon/state-file.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ollana-files-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
});

/** A live process; `title` is what a look at its command line shows. */
async function liveProcess(title: string): Promise<number> {
  const script = `process.title=${JSON.stringify(title)};console.log('up');setInterval(()=>{},1000)`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid ?? 0;
}

describe('the pid file', () => {
  it('holds the pid, readable by its user only, in a directory made for it, until released', () => {
    const path = join(dir, 'run', 'client.pid');
    const file = claimPidFile(path);
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
    if (process.platform !== 'win32') {
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(statSync(join(dir, 'run')).mode & 0o777).toBe(0o700);
    }
    file.release();
    file.release();
    expect(existsSync(path)).toBe(false);
  });

  it('of a live ollana refuses a second one by pid', async () => {
    const path = join(dir, 'p');
    const pid = await liveProcess('ollana serve');
    writeFileSync(path, `${pid}\n`);
    expect(pidFileHolder(path)).toBe(pid);
    expect(() => claimPidFile(path)).toThrow(expect.objectContaining({ code: 'OLLANA_ALREADY_RUNNING' }));
    expect(() => claimPidFile(path)).toThrow(`pid ${pid}`);
    expect(readFileSync(path, 'utf8')).toBe(`${pid}\n`);
  });

  it.runIf(process.platform === 'linux')('whose pid went to another program is replaced', async () => {
    const path = join(dir, 'p');
    writeFileSync(path, `${await liveProcess('something else')}\n`);
    claimPidFile(path);
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
  });

  it.each(['dead', 'empty', 'ours of an earlier life'])('of the kind "%s" is replaced', async (kind) => {
    const path = join(dir, 'p');
    const text = kind === 'dead' ? `${await deadPid()}\n` : kind === 'empty' ? '' : `${process.pid}\n`;
    writeFileSync(path, text);
    claimPidFile(path);
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
  });

  it.each(['root:x:0:0\n', '0', '-1', '99999999999', '12 34'])(
    'that holds %j is someone’s and stays',
    (text) => {
      const path = join(dir, 'p');
      writeFileSync(path, text);
      expect(() => claimPidFile(path)).toThrow(expect.objectContaining({ code: 'OLLANA_BAD_OPTION' }));
      expect(readFileSync(path, 'utf8')).toBe(text);
    },
  );

  it('is not written through a link', () => {
    const target = join(dir, 'target');
    writeFileSync(target, '');
    symlinkSync(target, join(dir, 'p'));
    claimPidFile(join(dir, 'p'));
    expect(readFileSync(target, 'utf8')).toBe('');
  });

  it('that was taken over meanwhile is not removed', () => {
    const path = join(dir, 'p');
    const file = claimPidFile(path);
    writeFileSync(path, '1\n');
    file.release();
    expect(existsSync(path)).toBe(true);
  });

  it('in an impossible place is a one-line error with a remedy', () => {
    writeFileSync(join(dir, 'file'), '');
    expect(() => claimPidFile(join(dir, 'file', 'p'))).toThrow(/^cannot make .*--pid FILE$/);
  });
});

describe('the state file', () => {
  const state = (pid: number): DaemonState => ({
    pid,
    url: 'http://127.0.0.1:1',
    mode: 'client',
    startedAt: '2026-01-01T00:00:00.000Z',
  });

  it('lets others find a running daemon, and is for its user only', async () => {
    const pid = await liveProcess('ollana');
    const remove = writeState(dir, state(pid));
    expect(runningDaemons(dir)).toEqual([state(pid)]);
    if (process.platform !== 'win32') expect(statSync(join(dir, 'client.json')).mode & 0o777).toBe(0o600);
    remove();
    remove();
    expect(runningDaemons(dir)).toEqual([]);
    expect(existsSync(join(dir, 'client.json'))).toBe(false);
  });

  it('of a dead daemon is no daemon', async () => {
    writeState(dir, state(await deadPid()));
    expect(runningDaemons(dir)).toEqual([]);
  });

  it('of a successor is not removed', () => {
    const remove = writeState(dir, state(process.pid));
    writeState(dir, state(1));
    remove();
    expect(existsSync(join(dir, 'client.json'))).toBe(true);
  });

  it.each(['', '{', 'null', '[]', '{"pid":-1,"url":"http://x"}', '{"pid":1,"url":"file:///etc/passwd"}'])(
    'that holds %j is no daemon',
    (text) => {
      writeFileSync(join(dir, 'server.json'), text);
      expect(runningDaemons(dir)).toEqual([]);
    },
  );
});

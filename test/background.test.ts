import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { StatusReport } from '../src/daemon/status.ts';
import { cli, scratch, startCli, until } from './_cli.ts';
import { freePort } from './_ports.ts';

interface Place {
  readonly dir: string;
  readonly port: number;
  readonly env: Record<string, string>;
  readonly args: readonly string[];
}

/** A data directory, a port and a runtime directory of its own; discovery stays on loopback. */
async function place(): Promise<Place> {
  const dir = scratch();
  const [port, discoveryPort] = [await freePort(), await freePort()];
  const args = ['--host', '127.0.0.1', '--port', `${port}`, '--interface', 'lo', '--no-mdns'];
  return {
    dir,
    port,
    env: { OLLANA_DATA_DIR: join(dir, 'data'), XDG_RUNTIME_DIR: join(dir, 'run') },
    args: [...args, '--discovery-port', `${discoveryPort}`, '--ollama', 'http://127.0.0.1:9'],
  };
}

/** Runs `-d` and makes sure that what it started does not outlive the test. */
async function inBackground(mode: readonly string[], { args, env }: Place, ...more: string[]) {
  const result = await cli([...mode, '-d', ...args, ...more], env);
  const pid = Number(/\(pid (\d+),/.exec(result.stdout)?.[1] ?? 0);
  onTestFinished(() => {
    if (pid > 0 && isAlive(pid)) process.kill(pid, 'SIGKILL');
  });
  return { ...result, pid };
}

/** A process that has ended but that init has not reaped yet counts as ended. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

const modeOf = (path: string) => statSync(path).mode & 0o777;

describe.each([
  ['client', []],
  ['server', ['serve']],
] as const)('in the background, %s mode', (mode, command) => {
  it('listens when the command returns, refuses a second start, and leaves no file behind', async () => {
    const here = await place();
    const { dir, port, env } = here;
    const [pidFile, logFile, stateFile] = [
      `run/ollana/${mode}.pid`,
      `data/${mode}.log`,
      `data/${mode}.json`,
    ].map((path) => join(dir, path)) as [string, string, string];

    const { code, stdout, stderr, pid } = await inBackground(command, here);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const name = ['ollana', ...command].join(' ');
    expect(stdout).toBe(`${name} listening on http://127.0.0.1:${port} (pid ${pid}, log ${logFile})\n`);
    expect(isAlive(pid)).toBe(true);
    expect(readFileSync(pidFile, 'utf8')).toBe(`${pid}\n`);
    for (const file of [pidFile, logFile, stateFile]) expect(modeOf(file)).toBe(0o600);
    for (const made of ['data', 'run/ollana']) expect(modeOf(join(dir, made))).toBe(0o700);

    const status = await cli(['status', '--json'], env);
    expect(status.code).toBe(0);
    const [report, ...others] = JSON.parse(status.stdout) as StatusReport[];
    expect(others).toEqual([]);
    expect(report).toMatchObject({ mode, pid, url: `http://127.0.0.1:${port}` });
    expect((await cli(['status'], env)).stdout).toContain(`${mode} mode, `);

    const samePidFile = await cli([...command, '-d', '--port', '0', '--interface', 'lo'], env);
    expect(samePidFile.code).toBe(3);
    expect(samePidFile.stderr).toMatch(
      new RegExp(
        `^ollana: ollana is already running \\(pid ${pid}, http://127.0.0.1:${port}, pid file .*--port N.*\\n$`,
      ),
    );
    const samePort = await inBackground(command, here, '--pid', join(dir, 'other.pid'));
    expect(samePort.code).toBe(3);
    expect(samePort.stderr).toBe(
      `ollana: port ${port} on 127.0.0.1 is in use by another ollana (pid ${pid}, ${mode} mode): stop that, or give --port N\n`,
    );
    expect(existsSync(join(dir, 'other.pid'))).toBe(false);
    expect(readFileSync(pidFile, 'utf8')).toBe(`${pid}\n`);

    process.kill(pid, 'SIGTERM');
    await until('the daemon has ended', () => !isAlive(pid));
    expect([existsSync(pidFile), existsSync(stateFile)]).toEqual([false, false]);
    expect((await cli(['status'], env)).code).toBe(4);
  });
});

it('a start in the background that fails says why, with the code of the failure', async () => {
  const here = await place();
  const failed = await inBackground([], here, '--server-file', join(here.dir, 'none'));
  expect(failed).toMatchObject({ code: 2, stdout: '' });
  expect(failed.stderr).toMatch(/^ollana: .*none.*\n$/);
  expect(existsSync(join(here.dir, 'run/ollana/client.pid'))).toBe(false);
});

it('a pid file left by a killed daemon does not stop the next one', async () => {
  const here = await place();
  const first = await inBackground([], here);
  process.kill(first.pid, 'SIGKILL');
  await until('the first has ended', () => !isAlive(first.pid));
  const second = await inBackground([], here);
  expect(second.code).toBe(0);
  expect(readFileSync(join(here.dir, 'run/ollana/client.pid'), 'utf8')).toBe(`${second.pid}\n`);
});

it('OLLANA_DAEMON detaches once, not for ever', async () => {
  const here = await place();
  const { code, stdout } = await cli(here.args, { ...here.env, OLLANA_DAEMON: '1' });
  const pid = Number(/\(pid (\d+),/.exec(stdout)?.[1]);
  onTestFinished(() => void (isAlive(pid) && process.kill(pid, 'SIGKILL')));
  expect(code).toBe(0);
  expect((await cli(['status'], here.env)).stdout).toContain(`(pid ${pid})`);
});

/** A plain Ollama with one model whose answers end when the test says so. */
async function slowOllama(): Promise<{ port: number; asked: Promise<ServerResponse> }> {
  let seen: (res: ServerResponse) => void = () => {};
  const asked = new Promise<ServerResponse>((resolve) => {
    seen = resolve;
  });
  const answers: Record<string, string> = {
    '/api/version': '{"version":"0.33.0"}',
    '/api/tags': JSON.stringify({
      models: [{ name: 'm:latest', model: 'm:latest', digest: 'd'.repeat(64) }],
    }),
    '/api/ps': '{"models":[]}',
  };
  const server = createServer((req: IncomingMessage, res: ServerResponse) => {
    req.resume();
    if (req.url === '/api/generate') return seen(res);
    if (req.url === '/') return void res.end('Ollama is running');
    const body = answers[req.url ?? ''];
    res.writeHead(body ? 200 : 404, { 'content-type': 'application/json' }).end(body);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, asked };
}

/** A daemon in the foreground with one request in flight, told to end. */
async function toldWhileBusy() {
  const here = await place();
  const ollama = await slowOllama();
  const { child, ended } = startCli(
    [...here.args, '--no-udp', '--server', `127.0.0.1:${ollama.port}`, '--no-local-fallback'],
    here.env,
  );
  const base = `http://127.0.0.1:${here.port}`;
  await until('the daemon knows the model', () => tags(base));
  const body = JSON.stringify({ model: 'm', prompt: 'hi' });
  const answer = fetch(`${base}/api/generate`, { method: 'POST', body }).then((res) => res.text());
  // Judged by those who wait for it; a cut is expected in one of them.
  answer.catch(() => undefined);
  const upstream = await ollama.asked;
  child.kill('SIGTERM');
  await until('nothing more is accepted', () => refuses(base));
  return { here, child, ended, answer, upstream };
}

const tags = (base: string) =>
  fetch(`${base}/api/tags`).then(
    async (res) => (await res.text()).includes('m:latest'),
    () => false,
  );
const refuses = (base: string) =>
  new Promise<boolean>((resolve) => {
    get(`${base}/`, { agent: false }, (res) => {
      res.resume();
      resolve(false);
    }).on('error', (error) => resolve((error as NodeJS.ErrnoException).code === 'ECONNREFUSED'));
  });

describe('told to end while a request is in flight', () => {
  it('the daemon accepts nothing more, lets the request end, and exits with 0', async () => {
    const { here, ended, answer, upstream } = await toldWhileBusy();
    const line = '{"model":"m","response":"hello","done":true,"done_reason":"stop"}\n';
    upstream.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(line);
    expect(await answer).toBe(line);
    expect((await ended).code).toBe(0);
    expect(existsSync(join(here.dir, 'data/client.json'))).toBe(false);
  });

  it('a second signal ends it at once, with the signal’s exit code and no files left', async () => {
    const { here, child, ended, answer } = await toldWhileBusy();
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
    await expect(answer).rejects.toThrow();
    expect(existsSync(join(here.dir, 'data/client.json'))).toBe(false);
  });

  it('a lost terminal is no reason to end', async () => {
    const here = await place();
    const { child, ended } = startCli([...here.args, '--log-level', 'debug'], here.env);
    const lost = new Promise<void>((resolve) => {
      let text = '';
      child.stderr?.on('data', (chunk) => {
        text += chunk;
        if (text.includes('the configuration has been read again')) resolve();
      });
    });
    await until('the daemon runs', () => existsSync(join(here.dir, 'data/client.json')));
    child.kill('SIGHUP');
    await lost;
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });
});

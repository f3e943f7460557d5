import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { cli, scratch } from './_cli.ts';
import { listenOn } from './_cluster-upstream.ts';
import { CLI, cleanEnvironment, startDaemon, temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { run, TestProcess } from './_process.ts';
import { FakeTerminal } from './_terminal.ts';

/** `script` of util-linux runs a command on a terminal of its own; that of other systems is another program. */
const hasScript = (await run('script', ['--version'])).stdout.includes('util-linux');

/** `ollana top` on a real terminal, which tells whether it is as before when that has ended. */
async function startTop(dataDir: string, columns = 80, rows = 24) {
  const screen = new FakeTerminal(columns, rows);
  // Its settings before and after, the exit code, and its name: a test changes its size by that.
  const command = [
    `stty cols ${columns} rows ${rows}; before=$(stty -g); echo "[tty $(tty)]"`,
    `"${process.execPath}" "${CLI}" top --data-dir "${dataDir}"; code=$?`,
    `[ "$(stty -g)" = "$before" ] && echo "[sane]"; echo "[code $code]"`,
  ].join('; ');
  const child = new TestProcess('script', ['-qfc', command, '/dev/null'], {
    env: cleanEnvironment({ SHELL: '/bin/sh', TERM: 'xterm-256color' }),
  });
  let failure: unknown;
  child.child.stdout?.on('data', (text: string) => {
    try {
      screen.write(text);
    } catch (error) {
      failure ??= error;
    }
  });
  const [, tty = ''] = await child.waitFor(/\[tty (\S+)\]/);
  return {
    screen,
    child,
    /** Waits for what one sees; fails where anything strange was written. */
    see: async (wanted: RegExp, ms = 15_000) => {
      try {
        await until(ms, `to see ${wanted}`, () => failure !== undefined || wanted.test(screen.text));
      } catch (error) {
        throw new Error(`not seen: ${wanted}\n${screen.text}`, { cause: error });
      }
      if (failure) throw failure;
    },
    type: (keys: string) => void child.child.stdin?.write(keys),
    resize: async (toColumns: number, toRows: number) => {
      screen.resize(toColumns, toRows);
      await run('stty', ['-F', tty, 'cols', String(toColumns), 'rows', String(toRows)]);
    },
    /** Pid of the command itself. */
    pid: async () => {
      const { stdout } = await run('ps', ['-o', 'pid=,args=', '-t', tty.replace('/dev/', '')]);
      const line = stdout.split('\n').find((one) => /top --data-dir/.test(one) && !one.includes('stty'));
      return Number(line?.trim().split(/\s+/)[0]);
    },
    /** Waits for the end; what stood on the screen before it is there again. */
    end: async () => {
      await child.waitFor(/\[code \d+\]/);
      if (failure) throw failure;
      expect(screen.isRestored).toBe(true);
      expect(screen.plain).toContain('[sane]');
      return Number(/\[code (\d+)\]/.exec(screen.plain)?.[1]);
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

const clientArgs = (...more: string[]) => [
  ...['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback', '--log-level', 'error'],
  ...more,
];

const chat = (url: string, prompt = 'x') =>
  fetch(`${url}/api/generate`, {
    method: 'POST',
    body: JSON.stringify({ model: 'm', prompt, options: { num_predict: 20 } }),
  }).then((answer) => answer.text());

it('no terminal: one line that names what to use instead, exit code 2', async () => {
  const ended = await cli(['top', '--data-dir', scratch()]);
  expect([ended.code, ended.stdout]).toEqual([2, '']);
  expect(ended.stderr).toMatch(/^ollana: [^\n]*`ollana status`[^\n]*\n$/);
});

describe.skipIf(!hasScript)('on a terminal', () => {
  it('without a daemon: says so on the usual screen, exit code 4', async () => {
    await using top = await startTop(scratch());
    expect(await top.end()).toBe(4);
    expect(top.screen.plain).toContain('no running ollana found in');
  });

  it('shows servers, models and requests as they change, follows the size, and q gives the terminal back', async () => {
    await using ollama = await startSimulatedOllama({ models: [{ name: 'm:latest', tokensPerSecond: 20 }] });
    await using daemon = await startDaemon({
      args: clientArgs('--server', `${ollama.url}=attic`, '--name', 'laptop'),
    });
    await using top = await startTop(daemon.dataDir);
    await top.see(/^ollana \S+, client mode, laptop, http:\/\/127\.0\.0\.1:\d+ +health \d+$/m);
    await top.see(/^SERVER +VERDICT +OLLAMA +LOADED +RUN +QUEUE +TOK\/S +FREE$/m);
    await top.see(/^attic +reliable +\d\S* +0 +0 +0 +- /m);
    await top.see(/^none is in memory$/m);
    await top.see(/^none yet$/m);
    expect([top.screen.isAlternate, top.screen.hasCursor]).toEqual([true, false]);
    const answer = chat(daemon.url);
    await top.see(/^\d\d:\d\d:\d\d running +m +attic/m);
    await top.see(/^1 server {2}1 running/m);
    await answer;
    await top.see(/^\d\d:\d\d:\d\d completed +m +attic +\d.*s +\d.*s +20 +\d+\.\d$/m);
    await top.see(/^m:latest +0 +0 .* attic$/m);
    await top.see(/^1 server {2}0 running {2}0 waiting .* [▁▂▃▄▅▆▇█]{6,}$/m);

    await top.resize(60, 12);
    await top.see(/^SERVER +VERDICT +OLLAMA +RUN +QUEUE +TOK\/S +FREE$/m);
    expect(top.screen.text).not.toMatch(/LOADED ON|#/);
    await top.resize(30, 5);
    await top.see(/^attic +0/m);
    await top.resize(130, 40);
    await top.see(/ADDRESS$/m);
    await top.see(/APP OR ERROR$/m);
    expect(top.screen.text).not.toContain('#');

    top.type('\u001b[A');
    top.type('x');
    top.type('q');
    expect(await top.end()).toBe(0);
  }, 60_000);

  it('writes only what is other than before', async () => {
    await using ollama = await startSimulatedOllama({ models: [{ name: 'm:latest' }] });
    await using daemon = await startDaemon({ args: clientArgs('--server', `${ollama.url}=attic`) });
    await using top = await startTop(daemon.dataDir);
    await top.see(/^attic +reliable/m);
    await chat(daemon.url);
    await top.see(/completed/);
    const before = { at: performance.now(), writes: top.screen.writes };
    await until(10_000, 'some seconds', () => performance.now() - before.at > 6000);
    // The bars move on every 5 s, and a problem of health may end meanwhile.
    expect(top.screen.writes - before.writes).toBeLessThan(20);
    top.type('\u0003');
    expect(await top.end()).toBe(0);
  }, 60_000);

  it('says that the daemon is gone, keeps what was known, finds the next one; SIGTERM gives the terminal back', async () => {
    using data = temporaryDirectory('top');
    await using ollama = await startSimulatedOllama({ models: [{ name: 'm:latest' }] });
    const args = clientArgs('--server', `${ollama.url}=attic`, '--data-dir', data.path, '--name', 'first');
    await using first = await startDaemon({ args });
    await using top = await startTop(data.path);
    await top.see(/client mode, first.*\n.*\n(.*\n)*attic +reliable/);
    await first.stop();
    await top.see(/^Lost ollana at \d\d:\d\d:\d\d \(.*\); looking for it every second$/m);
    expect(top.screen.text).toMatch(/^attic +reliable/m);
    await using second = await startDaemon({ args: [...args, '--name', 'second'] });
    await top.see(/client mode, second/);
    expect(second.port).not.toBe(first.port);
    expect(top.screen.text).not.toContain('Lost');
    process.kill(await top.pid(), 'SIGTERM');
    expect(await top.end()).toBe(0);
  }, 60_000);

  it('lets no peer steer the terminal, and gives it back when a daemon talks nonsense', async () => {
    const evil = '\u001b]0;title\u0007\u001b[31m\u009b2J漢字🙂\u202e\r\n\u001b[?1049l'.repeat(20);
    let stream: ServerResponse | undefined;
    const server = {
      ...{
        name: evil,
        url: `http://${evil}`,
        kind: 'ollana',
        sources: [],
        verdict: 'reliable',
        reason: evil,
      },
      ...{ since: evil, version: evil, models: 1, machine: null },
      loaded: [{ name: evil, sizeVram: 1e99, contextLength: 1 }],
    };
    const row = { id: evil, at: 0, model: evil, server: evil, outcome: evil, durationMs: 1, firstByteMs: 1 };
    const set = {
      daemon: { mode: 'client', name: evil, version: evil, url: evil, inFlight: 0 },
      health: { score: 1, problems: [{ severity: 'critical', title: evil }] },
      running: [row],
      recent: [{ ...row, tokens: 1, tokensPerS: 1e99, app: evil, error: evil }],
      pulse: { at: 0, requests: [1], tokens: [1e99], failed: [] },
      [`server:${server.url}`]: server,
    };
    await using fake = await listenOn(
      createServer((request, response) => {
        if (request.url !== '/dashboard/events') return void response.end('{"servers":[]}');
        stream = response;
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        response.write(`id: 1\nevent: snapshot\ndata: ${JSON.stringify({ set, gone: [] })}\n\n`);
      }),
    );
    using data = temporaryDirectory('top');
    // Its pid is another's, as its own is that of this test.
    const daemon = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)', 'ollana']);
    try {
      await once(daemon, 'spawn');
      const state = { pid: daemon.pid, url: fake.url, startedAt: '' };
      writeFileSync(join(data.path, 'client.json'), JSON.stringify(state));
      await using top = await startTop(data.path, 130, 24);
      await top.see(/^critical: .*漢字/m);
      await top.resize(40, 10);
      await top.see(/^SERVER/m);
      stream?.write('id: 2\nevent: delta\ndata: {"set":{"recent":7},"gone":[]}\n\n');
      expect(await top.end()).toBe(1);
      expect(top.screen.plain).toContain('ollana: unexpected failure:');
    } finally {
      daemon.kill('SIGKILL');
    }
  }, 60_000);
});

import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, createServer as createTcp } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { stepsText } from '../src/cli/port.ts';
import { isAside, moveAside, moveBack } from '../src/cli/port-move.ts';
import type { Clock } from '../src/clock.ts';
import { systemClock } from '../src/clock.ts';
import { TakenPort } from '../src/daemon/taken-port.ts';
import { isRetried } from '../src/server/ollama-retries.ts';
import { cli, scratch, until } from './_cli.ts';
import { freePort } from './_ports.ts';

/** A clock whose time is set, and whose every-so-often comes when told. */
function handClock() {
  let now = 0;
  const rounds: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    now: () => now,
    every: (_ms, run) => {
      rounds.push(run);
      return () => void rounds.splice(0);
    },
  };
  return {
    clock,
    pass: (ms: number) => {
      now += ms;
      for (const run of rounds) run();
    },
  };
}

async function start(port: number, wanted: { now: boolean } = { now: false }) {
  const face = createServer((_request, response) => response.end('ollana'));
  await once(face.listen(0, '127.0.0.1'), 'listening');
  const said: string[] = [];
  const tell = (message: string) => void said.push(message);
  const log = { debug: tell, info: tell, warn: tell, error: tell, writes: () => true, flush: () => {} };
  const { clock, pass } = handClock();
  const taken = new TakenPort({ face, clock, log, port, isWanted: async () => wanted.now });
  onTestFinished(async () => {
    await taken[Symbol.asyncDispose]();
    face.close();
    face.closeAllConnections();
  });
  await taken.start();
  return { taken, pass, said };
}

const ask = (port: number, host = '127.0.0.1') =>
  fetch(`http://${host}:${port}/`, { headers: { Connection: 'close' } }).then((answer) => answer.text());

it('serves what comes to the port, by either address, until it ends', async () => {
  const port = await freePort();
  const { taken } = await start(port);
  expect(taken.isHeld).toBe(true);
  expect([await ask(port), await ask(port, 'localhost')]).toEqual(['ollana', 'ollana']);
  await taken[Symbol.asyncDispose]();
  await expect(ask(port)).rejects.toThrow();
});

it('leaves a port to who has it, and takes it when he has been gone for half a minute', async () => {
  const port = await freePort();
  const holder = createTcp((socket) => void socket.destroy());
  await once(holder.listen(port, '127.0.0.1'), 'listening');
  const { taken, pass, said } = await start(port);
  expect(taken.isHeld).toBe(false);
  expect(said).toEqual(
    [expect.stringContaining('is left to him')].map(() => expect.stringMatching(/left to him/)),
  );
  holder.close();
  await once(holder, 'close');
  pass(29_000);
  await new Promise((resolve) => setImmediate(resolve));
  // Free again, but perhaps only being restarted: nobody is kept out.
  const back = createTcp();
  await once(back.listen(port, '127.0.0.1'), 'listening');
  back.close();
  await once(back, 'close');
  await until('the port is taken', () => {
    pass(31_000);
    return taken.isHeld;
  });
});

it('gives the port back when an Ollama wants it, and requests in flight go on', async () => {
  const port = await freePort();
  const wanted = { now: false };
  const { taken, pass } = await start(port, wanted);
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  wanted.now = true;
  pass(5000);
  await until('the port is given back', () => !taken.isHeld);
  const ollama = createTcp();
  await once(ollama.listen(port, '127.0.0.1'), 'listening');
  onTestFinished(() => void ollama.close());
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 200/);
});

it('knows a service that is tried again and again', () => {
  expect(isRetried('SubState=auto-restart\n')).toBe(true);
  expect(isRetried('SubState=running\n')).toBe(false);
});

/** A `systemctl` that writes down what it is told, and fails `restart` while the file `broken` is there. */
function fakeSystemd(load = 'loaded') {
  const home = scratch();
  const bin = join(home, 'bin');
  mkdirSync(bin);
  const script = `#!/bin/sh
echo "$*" >> ${home}/log
[ "$1" = show ] && echo LoadState=${load}
if [ "$1" = restart ] && [ -e ${home}/broken ]; then rm ${home}/broken; echo "Job failed" >&2; exit 1; fi
exit 0
`;
  writeFileSync(join(bin, 'systemctl'), script);
  chmodSync(join(bin, 'systemctl'), 0o755);
  const options = { dir: join(home, 'ollama.service.d'), env: { PATH: `${bin}:/usr/bin:/bin` } };
  return { home, options, said: () => readFileSync(join(home, 'log'), 'utf8').trim().split('\n') };
}

it('a service of Ollama is moved aside, and back as if nothing had been', async () => {
  const { options, said } = fakeSystemd();
  await moveAside(options);
  expect(isAside(options)).toBe(true);
  expect(readFileSync(join(options.dir, 'zz-ollana-port.conf'), 'utf8')).toContain(
    'Environment="OLLAMA_HOST=127.0.0.1:11433"',
  );
  expect(said().slice(1)).toEqual(['daemon-reload', 'restart ollama.service']);
  expect(await moveBack(options)).toBe(true);
  expect(existsSync(options.dir)).toBe(false);
  expect(await moveBack(options)).toBe(false);
  expect(said()).toHaveLength(5);
});

it('what the user keeps there stays, and a service that does not start gets its settings back', async () => {
  const { home, options } = fakeSystemd();
  mkdirSync(options.dir);
  writeFileSync(join(options.dir, 'override.conf'), 'mine');
  writeFileSync(join(home, 'broken'), '');
  await expect(moveAside(options)).rejects.toThrow(
    /restart ollama.service failed \(Job failed\); Ollama has its own settings again/,
  );
  expect(isAside(options)).toBe(false);
  expect(readFileSync(join(options.dir, 'override.conf'), 'utf8')).toBe('mine');
  const none = fakeSystemd('not-found');
  await expect(moveAside(none.options)).rejects.toThrow('systemd has no service ollama');
  expect(existsSync(none.options.dir)).toBe(false);
});

it('ollana port changes nothing by itself, and tells other systems what to type', {
  timeout: 60_000,
}, async () => {
  const { code, stdout } = await cli(['port']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^port 11434: .+\n`sudo ollana port take` would write/);
  expect((await cli(['port', 'tkae'])).stderr).toContain('did you mean take?');
  expect(stepsText('take', 'darwin')).toContain('launchctl setenv OLLAMA_HOST 127.0.0.1:11433');
  expect(stepsText('give', 'win32')).toContain('reg delete HKCU\\Environment /F /V OLLAMA_HOST');
});

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { parseLogLevels } from '../src/config/log-level.ts';
import { resolveConfig } from '../src/config.ts';
import { createLog } from '../src/observe/log.ts';
import { narrate } from '../src/observe/narrate.ts';
import { RotatingFile } from '../src/observe/rotating-file.ts';
import { startCluster } from './_cluster.ts';
import { cleanEnvironment, startDaemon, temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { TestProcess } from './_process.ts';
import { ask, chat } from './_simulate-client.ts';

const here = { env: {}, platform: 'linux', homedir: '/home/u', cwd: '/', hostname: 'h' } as const;
const configOf = (flags: Record<string, string | boolean>) =>
  resolveConfig({ ...here, mode: 'client', flags });

describe('the log options', () => {
  it('read levels of areas', () => {
    const { logLevel } = configOf({ 'log-level': 'warn, discovery=debug,Requests=silent' });
    expect(parseLogLevels(logLevel)).toEqual({
      level: 'warn',
      areas: { discovery: 'debug', requests: 'silent' },
    });
    expect(parseLogLevels(configOf({ 'log-level': 'discovery=debug' }).logLevel).level).toBe('info');
  });

  it.each(['loud', 'info,disco=debug', 'discovery=loud', 'info,', 'a=b=c'])(
    'refuse %j, saying what would do',
    (text) => {
      expect(() => configOf({ 'log-level': text })).toThrow(
        /from --log-level: give debug, .*discovery=debug/,
      );
    },
  );

  it('name the formats', () => {
    expect(configOf({}).logFormat).toBe('auto');
    expect(configOf({ 'log-format': 'json' }).logFormat).toBe('json');
    expect(() => configOf({ 'log-format': 'xml' })).toThrow(/log-format/);
  });
});

describe('a log', () => {
  it('keeps to the level of each area', () => {
    using folder = temporaryDirectory('log');
    const file = join(folder.path, 'log');
    const log = createLog({
      levels: { level: 'warn', areas: { discovery: 'debug', requests: 'silent' } },
      file,
      pretty: false,
    });
    const tell = narrate(log, systemClock);
    tell({ type: 'links-changed', links: [{ interface: 'eth7', address: '10.0.0.1' }] as never });
    tell({ type: 'server-left', deviceId: 'x', name: 'attic', url: 'http://attic:1' });
    tell({ type: 'request-ended', model: 'm', outcome: 'failed' } as never);
    log.warn('kept');
    log.setLevels({ level: 'error', areas: {} });
    log.warn('not kept');
    tell({ type: 'links-changed', links: [{ interface: 'eth7', address: '10.0.0.1' }] as never });
    const messages = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(messages).toEqual(['network interfaces in use', 'kept']);
  });

  it('is a file that is bounded in size and number, for its user only', () => {
    using folder = temporaryDirectory('log');
    const path = join(folder.path, 'log');
    const file = new RotatingFile(path, 1000);
    for (let i = 0; i < 200; i += 1) file.write(`${String(i).padStart(99, '.')}\n`);
    expect(readFileSync(path, 'utf8')).toContain('199\n');
    for (const name of ['log', 'log.1', 'log.5']) {
      const { size, mode } = statSync(join(folder.path, name));
      expect(size).toBe(1000);
      expect(mode & 0o777).toBe(0o600);
    }
    expect(existsSync(join(folder.path, 'log.6'))).toBe(false);
    const again = new RotatingFile(path, 1000);
    again.write('one more\n');
    expect(readFileSync(path, 'utf8')).toBe('one more\n');
    expect(readFileSync(`${path}.1`, 'utf8')).toContain('199\n');
  });

  it('loses lines rather than the process when nothing can be written', () => {
    const full = new RotatingFile('/dev/full');
    expect(() => full.write('lost\n')).not.toThrow();
  });
});

describe('--emoji', () => {
  it('tells choices and servers in the lines of ollama_load_balancer', async () => {
    await using cluster = await startCluster({
      ollamas: [{}, {}],
      client: { emoji: true, policy: 'first' },
    });
    const urls = cluster.ollamas.map(({ url }) => url);
    const ask = async (stream: boolean) => {
      const body = JSON.stringify({ model: 'simulated', prompt: 'Hi', stream });
      const answer = await fetch(`${cluster.url}/api/generate`, { method: 'POST', body });
      await answer.text().catch(() => '');
    };
    const lines = () => cluster.log.lines.map(({ message }) => message);
    await ask(false);
    await until(3000, 'the first to be told', () =>
      lines().some((line) => urls.some((url) => line === `🟢 Server ${url} now available`)),
    );
    expect(lines().join('\n')).toMatch(
      /🤖🦸 Chose reliable server: http:\/\/127\.0\.0\.1:\d+ to serve client 127\.0\.0\.1:\d+\n/,
    );
    for (const { faults } of cluster.ollamas) faults.set({ kind: 'cut', afterLines: 2 }, { times: 1 });
    await ask(true);
    await until(3000, 'the failure to be told', () =>
      lines().some((line) =>
        urls.some((url) => line.startsWith(`❌😱 Server ${url} failed during streaming. Error: `)),
      ),
    );
    expect(lines().join('\n')).toMatch(/📋 Ollama servers list: (❌ a, 🟢 b|🟢 a, ❌ b)/);
    expect(lines()).not.toContain('request');
  });
});

describe('--log-format', () => {
  it.each([
    ['json', /"msg":"ollana is ready"/],
    ['pretty', /^\d\d:\d\d:\d\d info {2}ollana is ready {2}mode=client/m],
  ])('%s is what a daemon writes, terminal or not', async (format, line) => {
    const network = ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback'];
    await using daemon = await startDaemon({ args: [...network, '--log-format', format] });
    await daemon.process.waitFor(line);
  });

  it('of an unknown kind is refused', async () => {
    await using child = new TestProcess(process.execPath, ['dist/cli.js', '--log-format', 'xml'], {
      env: cleanEnvironment(),
    });
    expect((await child.exited).code).not.toBe(0);
    expect(child.output).toContain('json');
  });
});

describe('--log-bodies', () => {
  const asked = async (logBodies: boolean) => {
    await using cluster = await startCluster({ client: { logBodies } });
    await ask(cluster, '/api/chat', chat('simulated', 'a secret of mine'));
    await ask(cluster, '/api/show', { model: 'simulated', note: 'a secret of mine' });
    return cluster.log;
  };

  it('puts what is asked and answered into the log, and no other bodies', async () => {
    const log = await asked(true);
    const [prompt, ...others] = log.said('request body');
    expect(prompt).toMatchObject({
      id: expect.any(String),
      body: expect.stringContaining('a secret of mine'),
    });
    expect(others).toEqual([]);
    expect(log.said('answer body')).toMatchObject([
      { id: prompt?.id, body: expect.stringContaining('"done":true') },
    ]);
  });

  it('is off unless asked for: no line says what was asked', async () => {
    const log = await asked(false);
    expect(log.said('request')).toHaveLength(2);
    expect(JSON.stringify(log.lines)).not.toContain('secret');
  });
});

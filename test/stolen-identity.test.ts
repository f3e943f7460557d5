import { cpSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { startClient } from '../src/daemon/client.ts';
import { fetchSmall } from '../src/ollama/client.ts';
import { loadIdentity } from '../src/security/identity.ts';
import { clientConfig, TestLog } from './_cluster-config.ts';
import { CLI, cleanEnvironment, startDaemon, temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { agentAs, allow, disable, noOutside, startTwo, untilUsed } from './_paired.ts';
import { run, TestProcess } from './_process.ts';
import { ask, chat } from './_simulate-client.ts';
import { skipBecause } from './_skip.ts';

const LIMITS = { clock: systemClock, connectTimeoutMs: 2000, timeoutMs: 5000 };

describe('a stolen data directory', () => {
  skipBecause(noOutside);

  it('opens nothing once the device was made anew and its old id disabled', async () => {
    await using two = await startTwo();
    await two.pair();
    const server = await two.serve();
    using loot = temporaryDirectory('loot');
    const stolen = join(loot.path, 'data');
    cpSync(two.clientDir, stolen, { recursive: true });
    const look = (dir: string) =>
      fetchSmall(`${server.outside}/api/tags`, { ...LIMITS, agent: agentAs(loadIdentity(dir)) });
    expect((await look(stolen)).status).toBe(200);

    rmSync(join(two.clientDir, 'tls.pem'));
    const anew = loadIdentity(two.clientDir).deviceId;
    expect(anew).not.toBe(two.clientId);
    await disable(two.serverDir, two.clientId);
    await allow(two.serverDir, anew);
    await until(1000, 'the thief to be refused', async () => (await look(stolen)).status === 403);
    expect((await look(two.clientDir)).status).toBe(200);

    // A whole ollana on what was stolen fares no better; the list in it still names the server.
    const thief = await startClient(
      clientConfig(stolen, { servers: [`${server.outside}=gpu`], holdMs: 300 }),
      new TestLog(),
    );
    const shown = await until(5000, 'the server to be shown', () => thief.status().servers[0]?.notPaired);
    expect([shown, (await ask(thief, '/api/chat', chat('simulated', 'x'))).status]).toEqual([true, 503]);
    await thief.stop();
    const owner = await two.client([`${server.outside}=gpu`]);
    await untilUsed(owner);
    expect((await ask(owner, '/api/chat', chat('simulated', 'x'))).status).toBe(200);
    expect(server.ollama.seen.filter(({ path }) => path === '/api/chat')).toHaveLength(1);
  });
});

describe('what is in a data directory', () => {
  it.runIf(process.platform !== 'win32')(
    'is for its user only, whatever others would get by default',
    async () => {
      using folder = temporaryDirectory('modes');
      const dataDir = join(folder.path, 'made', 'data');
      const open = (command: string, args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
        [
          '/bin/sh',
          ['-c', 'umask 0; exec "$0" "$@"', command, ...args],
          { env: cleanEnvironment({ OLLANA_INTERFACE: 'lo', ...more }) },
        ] as const;
      const told = ['--port', '0', '--no-udp', '--no-mdns', '--require-pairing', '--require-key'];
      const files = ['--log-file', join(dataDir, 'log'), '--pid', join(dataDir, 'pid')];
      await using _ = await startDaemon({
        args: ['serve', ...told, ...files, '--data-dir', dataDir],
        launch: (command, args, env) => new TestProcess(...open(command, args, env)),
      });
      for (const args of [
        ['device', 'allow', 'a'.repeat(64)],
        ['key', 'add', 'app'],
        ['add', 'http://127.0.0.1:9', '--keep'],
      ]) {
        const { code, stderr } = await run(...open(process.execPath, [CLI, ...args, '--data-dir', dataDir]));
        expect([code, args, stderr]).toEqual([0, args, expect.anything()]);
      }
      const found = readdirSync(dataDir, { recursive: true, encoding: 'utf8' });
      expect(found).toEqual(expect.arrayContaining(['command-key', 'devices.json', 'keys.json', 'tls.pem']));
      const modes = found.map((name) => [name, statSync(join(dataDir, name)).mode & 0o777]);
      expect(modes).toEqual(found.map((name) => [name, 0o600]));
      for (const dir of [dataDir, join(folder.path, 'made')]) expect(statSync(dir).mode & 0o777).toBe(0o700);
    },
  );
});

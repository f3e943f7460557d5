import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { CLI, type Daemon } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, simulatedOn, untilListed } from './_fleet.ts';
import { createLab, type Lab, type LabHost, labAvailable } from './_lab.ts';

const RELAY = fileURLToPath(new URL('_relay-main.ts', import.meta.url));
/** A prompt that is found wherever it went. */
const SECRET = 'the-secret-of-the-prompt';
const CHAT = { body: { model: 'm', messages: [{ role: 'user', content: SECRET }] } };
const WARNING = /not paired: ids of servers are not verified/;

interface Scene extends AsyncDisposable {
  readonly lab: Lab;
  readonly gpu: LabHost;
  readonly laptop: LabHost;
  readonly server: Daemon;
  readonly relay: TestProcess;
}

/** A GPU machine, and a host between it and all others, which is heard first: the real one is not heard at all. */
async function start(serveArgs: readonly string[]): Promise<Scene> {
  const lab = await createLab({ hosts: ['gpu', 'relay', 'laptop'] });
  const [gpu, middle, laptop] = [lab.host('gpu'), lab.host('relay'), lab.host('laptop')];
  try {
    await simulatedOn(gpu, { models: [{ name: 'm' }], answer: 'one two three' });
    const server = await serveOn(gpu, serveArgs);
    const relay = middle.node([
      '--import',
      createRequire(import.meta.url).resolve('tsx'),
      RELAY,
      gpu.ip,
      '10.77.0.255',
    ]);
    await relay.waitFor(/relaying/, 20_000);
    const end = async () => {
      await server[Symbol.asyncDispose]();
      await lab[Symbol.asyncDispose]();
    };
    return { lab, gpu, laptop, server, relay, [Symbol.asyncDispose]: end };
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}

/** What the host between has read so far. */
async function heardBy(relay: TestProcess, word: string) {
  const before = relay.stdout.length;
  relay.child.stdin?.write(`${word}\n`);
  const line = await until(5000, 'the relay to tell', () => {
    const [last] = relay.stdout.slice(before).split('\n');
    return relay.stdout.slice(before).includes('\n') && last;
  });
  return JSON.parse(line) as { met: number; bytes: number; holds: boolean };
}

const ollana = (host: LabHost, args: readonly string[], input?: string) =>
  host.exec(process.execPath, [CLI, ...args], input === undefined ? {} : { input });
const idOf = async (host: LabHost, dataDir: string): Promise<string> => {
  const { stdout } = await ollana(host, ['device', 'show', '--json', '--data-dir', dataDir]);
  return (JSON.parse(stdout) as { id: string }).id;
};
const allow = async (host: LabHost, dataDir: string, id: string): Promise<void> => {
  const { code, stderr } = await ollana(host, ['device', 'allow', id, '--data-dir', dataDir]);
  expect([code, stderr]).toEqual([0, '']);
};

describe('a host between a laptop and a server, which answers discovery first and passes on what it hears', {
  timeout: 90_000,
}, () => {
  skipBecause(labAvailable());

  test('reads the prompts of who is not paired, and the log, status and discover say that it can', async () => {
    await using scene = await start(['--no-udp', '--no-mdns']);
    const { laptop, relay } = scene;
    await using client = await clientOn(laptop);
    await untilListed(laptop, ['m']);
    const answer = await laptop.http(`${LOCAL_FACE}/api/chat`, CHAT);
    expect([answer.status, answer.headers['x-ollana-server']]).toEqual([200, 'gpu']);
    expect((await heardBy(relay, SECRET)).holds).toBe(true);

    await client.process.waitFor(WARNING);
    expect(client.process.output.split('\n').filter((line) => WARNING.test(line))).toHaveLength(1);
    const status = await ollana(laptop, ['status', '--data-dir', client.dataDir]);
    expect(status.stdout).toMatch(/Not paired: .* ids are not verified\.\s`ollana device pair`/);
    const heard = await ollana(laptop, ['discover', '--no-mdns', '--data-dir', client.dataDir]);
    expect(heard.stdout).toMatch(/^gpu +10\.77\.0\.2:11435 /m);
    expect(heard.stdout).toContain('Not paired: ids are not verified');
  });

  test('is sent no byte of anything by who is paired with the server, whether that one is heard or not', async () => {
    await using scene = await start([]);
    const { gpu, laptop, server, relay } = scene;
    await using first = await clientOn(laptop, ['--hold', '300ms']);
    const { dataDir } = first;
    const [serverId, laptopId] = [await idOf(gpu, server.dataDir), await idOf(laptop, dataDir)];
    await allow(gpu, server.dataDir, laptopId);
    await allow(laptop, dataDir, serverId);
    await until(10_000, 'the server to be used, and the other shown', async () => {
      const answer = await laptop.http(`${LOCAL_FACE}/ollana/api/status`);
      const { servers } = answer.json() as { servers: { url: string; notPaired?: true; models: string[] }[] };
      const at = (ip: string) => servers.find(({ url }) => url === `http://${ip}:11435`);
      return at('10.77.0.2')?.notPaired && at(gpu.ip)?.models.length === 1;
    });
    const bytes = (await heardBy(relay, SECRET)).bytes;
    for (let i = 0; i < 4; i += 1) {
      const answer = await laptop.http(`${LOCAL_FACE}/api/chat`, CHAT);
      expect([answer.status, answer.headers['x-ollana-server']]).toEqual([200, 'gpu']);
    }
    await server.stop('SIGKILL');
    for (let i = 0; i < 4; i += 1)
      expect((await laptop.http(`${LOCAL_FACE}/api/chat`, CHAT)).status).toBeGreaterThanOrEqual(500);
    const { met, holds, bytes: after } = await heardBy(relay, SECRET);
    expect(met).toBeGreaterThan(1);
    // What it had read before is of the time when anybody was trusted.
    expect([holds, after]).toEqual([false, bytes]);
    const status = await ollana(laptop, ['status', '--data-dir', dataDir]);
    expect(status.stdout).toMatch(/not paired[\s\S]*ollana device pair\shttp:\/\/10\.77\.0\.2:11435/);
  });

  test('cannot be paired through: both sides say so, and nobody is entered', async () => {
    await using scene = await start(['--no-udp', '--no-mdns']);
    const { gpu, laptop, server, relay } = scene;
    await using client = await clientOn(laptop);
    await untilListed(laptop, ['m']);
    const host = gpu.node([CLI, 'device', 'pair', '--data-dir', server.dataDir]);
    const [, one, two] = await host.waitFor(/Code: (\d{3}) (\d{3})/);
    const guest = await ollana(
      laptop,
      ['device', 'pair', 'gpu', '--data-dir', client.dataDir],
      `${one}${two}\n`,
    );
    expect([guest.code, guest.stdout]).toEqual([1, expect.stringContaining('http://10.77.0.2:11435')]);
    const between = 'If it was typed rightly somebody sits between the two machines';
    expect(guest.stderr).toMatch(/^ollana: not paired: wrong code; gpu shows a new one\. /);
    expect(guest.stderr).toContain(between);
    await host.waitFor(/not paired: the code before was not used rightly: /);
    expect(host.stderr).toContain(between);
    expect((await heardBy(relay, `${one}${two}`)).holds).toBe(false);
    for (const [machine, dir] of [
      [gpu, server.dataDir],
      [laptop, client.dataDir],
    ] as const) {
      const listed = await ollana(machine, ['device', 'list', '--data-dir', dir]);
      expect(listed.stdout).toContain('No device is paired');
    }
  });
});

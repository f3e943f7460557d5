import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type Daemon, temporaryDirectory } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, serversSeenBy, simulatedOn, untilListed } from './_fleet.ts';
import { createLab, type LabHost, labAvailable } from './_lab.ts';

const MODEL = { name: 'tiny' };
const CHAT = { body: { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] } };
const BIOS = fileURLToPath(new URL('_bios.mjs', import.meta.url));

interface Machine {
  readonly host: LabHost;
  ollama: TestProcess;
  serve: Daemon;
  /** Its certificate outlives its sleep. */
  readonly dataDir: string;
  /** Hears what would wake it. */
  readonly bios: TestProcess;
}

async function boot(host: LabHost, dataDir: string): Promise<Pick<Machine, 'ollama' | 'serve'>> {
  const ollama = await simulatedOn(host, { models: [MODEL] });
  return { ollama, serve: await serveOn(host, ['--data-dir', dataDir]) };
}

async function machine(host: LabHost, dataDir: string): Promise<Machine> {
  const bios = host.node([BIOS]);
  await bios.waitFor(/asleep/);
  return { host, dataDir, bios, ...(await boot(host, dataDir)) };
}

/** As a suspend does: nobody says goodbye. */
async function sleepNow({ serve, ollama }: Machine): Promise<void> {
  await serve.stop('SIGKILL');
  await ollama.stop('SIGKILL');
}

const packets = ({ bios }: Machine) => bios.stdout.match(/^woken .*$/gm) ?? [];

async function macOf(host: LabHost): Promise<string | undefined> {
  const { stdout } = await host.exec('ip', ['-o', 'link', 'show', 'eth0']);
  return /link\/ether (\S+)/.exec(stdout)?.[1];
}

/** Resolves when the client has noted by which cards so many servers can be woken. */
async function untilNoted({ dataDir }: Daemon, servers: number): Promise<void> {
  await until(10_000, `${servers} servers in wake.json`, () => {
    const noted = JSON.parse(readFileSync(join(dataDir, 'wake.json'), 'utf8')) as {
      servers: { models: string[] }[];
    };
    return noted.servers.filter(({ models }) => models.length > 0).length === servers;
  });
}

const untilGone = (laptop: LabHost, name: string) =>
  until(20_000, `${name} to be out of use`, async () => {
    const seen = await serversSeenBy(laptop);
    return !seen.some((one) => one.name === name && one.verdict === 'reliable');
  });

describe('a server that sleeps', { timeout: 120_000 }, () => {
  skipBecause(labAvailable());

  test('is woken when its model is wanted, also by a laptop that has started anew, and answers', async () => {
    using folder = temporaryDirectory('wake');
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const laptop = lab.host('laptop');
    const gpu = await machine(lab.host('gpu1'), join(folder.path, 'gpu1'));
    const kept = ['--wake', '--data-dir', join(folder.path, 'laptop')];
    const first = await clientOn(laptop, kept);
    await untilListed(laptop, ['tiny']);
    await untilNoted(first, 1);
    await first.stop();
    await sleepNow(gpu);

    await using client = await clientOn(laptop, kept);
    const asked = laptop.http(`${LOCAL_FACE}/api/chat`, { ...CHAT, timeoutMs: 60_000 });
    await gpu.bios.waitFor(/woken/);
    const up = await boot(gpu.host, gpu.dataDir);
    const answer = await asked;
    expect([answer.status, answer.headers['x-ollana-server']], answer.text).toEqual([200, 'gpu1']);
    expect(JSON.parse(answer.lines.at(-1)!.text)).toMatchObject({ done: true });
    expect(answer.headers['x-ollana-reason']).toMatch(/; gpu1 was woken \d+ s ago$/);
    const mac = await macOf(gpu.host);
    expect(packets(gpu)[0]).toBe(`woken by ${laptop.ip} for ${mac}`);
    expect(client.process.output).toMatch(/waking a server/);
    console.log(`woken, booted and answered after ${answer.firstByteMs.toFixed(0)} ms`);
    await up.serve.stop();
  });

  test('is called three times in 3 s, by however many requests', async () => {
    using folder = temporaryDirectory('wake');
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const laptop = lab.host('laptop');
    const gpu = await machine(lab.host('gpu1'), join(folder.path, 'gpu1'));
    await using client = await clientOn(laptop, ['--wake', '--hold', '1s']);
    await untilListed(laptop, ['tiny']);
    await untilNoted(client, 1);
    await sleepNow(gpu);
    await untilGone(laptop, 'gpu1');
    const ask = (abortAfterMs: number) => laptop.http(`${LOCAL_FACE}/api/chat`, { ...CHAT, abortAfterMs });
    // Longer than a request without anybody to wake would be held.
    const answers = await Promise.all([ask(6000), ask(6000), ask(6000), ask(6000)]);
    expect(answers.map(({ error }) => error)).toEqual(Array.from({ length: 4 }, () => 'aborted'));
    expect((await ask(1500)).error).toBe('aborted');
    expect(packets(gpu)).toHaveLength(3);
  });

  test('is not called by other interfaces than were named', async () => {
    using folder = temporaryDirectory('wake');
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const laptop = lab.host('laptop');
    const gpu = await machine(lab.host('gpu1'), join(folder.path, 'gpu1'));
    const named = ['--server', `http://${gpu.host.ip}:11435`, '--interface', 'lo'];
    await using client = await clientOn(laptop, ['--wake', '--hold', '3s', ...named]);
    await untilListed(laptop, ['tiny']);
    await untilNoted(client, 1);
    await sleepNow(gpu);
    await untilGone(laptop, 'gpu1');
    const answer = await laptop.http(`${LOCAL_FACE}/api/chat`, CHAT);
    expect([answer.status, answer.text]).toEqual([503, expect.not.stringMatching(/woken/)]);
    expect(packets(gpu)).toEqual([]);
  });

  test('is not called while another server has the model, nor unless that was asked for', async () => {
    using folder = temporaryDirectory('wake');
    await using lab = await createLab({ hosts: ['gpu1', 'gpu2', 'laptop', 'other'] });
    const [laptop, other] = [lab.host('laptop'), lab.host('other')];
    const gpus = await Promise.all(
      ['gpu1', 'gpu2'].map((name) => machine(lab.host(name), join(folder.path, name))),
    );
    const [one, two] = gpus as [Machine, Machine];
    await using client = await clientOn(laptop, ['--wake', '--hold', '1s']);
    await using plain = await clientOn(other, ['--hold', '1s']);
    await untilListed(laptop, ['tiny']);
    await untilListed(other, ['tiny']);
    await untilNoted(client, 2);
    await sleepNow(one);
    await untilGone(laptop, 'gpu1');
    const answer = await laptop.http(`${LOCAL_FACE}/api/chat`, CHAT);
    expect([answer.status, answer.headers['x-ollana-server']], answer.text).toEqual([200, 'gpu2']);
    await sleepNow(two);
    await untilGone(other, 'gpu2');
    const held = await other.http(`${LOCAL_FACE}/api/chat`, CHAT);
    expect(held.status).toBe(503);
    expect(held.text).not.toMatch(/woken/);
    expect(gpus.flatMap(packets)).toEqual([]);
    expect(() => readFileSync(join(plain.dataDir, 'wake.json'))).toThrow(/ENOENT/);
    // Of two that sleep one is enough; both hear what is said to all, and look whether they are meant.
    await laptop.http(`${LOCAL_FACE}/api/chat`, { ...CHAT, abortAfterMs: 5000 });
    const said = packets(one);
    expect([said.length, new Set(said).size]).toEqual([3, 1]);
  });
});

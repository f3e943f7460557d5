import { describe, expect, test } from 'vitest';
import { percentile } from '../../scripts/bench/stats.ts';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, serversSeenBy, simulatedOn } from './_fleet.ts';
import { createLab, type LabHost, labAvailable } from './_lab.ts';

const MODEL = { name: 'tiny', tokensPerSecond: 500 };
const CHAT = { body: { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] } };

/** `OLLANA_LAB_LONG=1` for figures that mean something; a few runs show that nothing has broken. */
const IS_LONG = process.env.OLLANA_LAB_LONG === '1';
const RUNS = IS_LONG ? 50 : 4;
const CUTS = IS_LONG ? 10 : 1;
/** The share of the runs that has to be in time: of a few, one may have met a busy machine. */
const SHARE = IS_LONG ? 0.95 : 0.75;

/** When a daemon logged the line, ms since 1970; the first after the first `from` characters of its output. */
async function loggedAt(daemon: TestProcess, text: string, from = 0, ms = 10_000): Promise<number> {
  const line = await until(ms, text, () =>
    daemon.output
      .slice(from)
      .split('\n')
      .find((one) => one.includes(`"msg":"${text}`)),
  );
  return Date.parse((JSON.parse(line) as { time: string }).time);
}

/** Resolves when so many of the servers that the client knows are reliable. */
const reliable = (laptop: LabHost, count: number) =>
  until(15_000, `${count} reliable servers`, async () => {
    const seen = await serversSeenBy(laptop);
    return seen.filter(({ verdict }) => verdict === 'reliable').length === count;
  });

/** Resolves when a server has a connection that stays: the stream on which it tells the client what happens. */
const isFed = (server: LabHost) =>
  until(15_000, `a stream from ${server.name}`, async () => {
    const look = async (): Promise<readonly string[]> => {
      const { stdout } = await server.exec('ss', ['-Htn', 'state', 'established', 'sport', '=', ':11435']);
      return stdout.split('\n').flatMap((line) => line.trim().split(/\s+/).at(-1) || []);
    };
    const before = await look();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const after = await look();
    return before.some((peer) => after.includes(peer));
  });

describe('what is noticed by an idle client', { timeout: 900_000 }, () => {
  skipBecause(labAvailable());

  test('a server is known 300 ms after it began to announce itself, and known to leave 100 ms after it was told to', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const [gpu, laptop] = [lab.host('gpu1'), lab.host('laptop')];
    await simulatedOn(gpu, { models: [MODEL] });
    await using client = await clientOn(laptop, ['--no-local-fallback']);
    const found: number[] = [];
    const left: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      const from = client.process.output.length;
      const server = await serveOn(gpu);
      const announcedAt = await loggedAt(server.process, 'Ollama answers: announcing');
      found.push((await loggedAt(client.process, 'server found', from)) - announcedAt);
      await reliable(laptop, 1);
      await isFed(gpu);
      const before = client.process.output.length;
      server.process.child.kill('SIGTERM');
      const leavingAt = await loggedAt(server.process, 'finishing requests in flight');
      left.push((await loggedAt(client.process, 'server unreliable', before)) - leavingAt);
      await server.process.exited;
      await server[Symbol.asyncDispose]();
      // Else the next one were no new server: an address by mDNS counts for two minutes where its goodbye got lost.
      await until(150_000, 'its end', async () => (await serversSeenBy(laptop)).length === 0);
    }
    const text = (values: readonly number[]) =>
      `median ${percentile(values, 0.5)}, 95th percentile ${percentile(values, 0.95)}, slowest ${Math.max(...values)} ms`;
    console.log(`found after its announcement, ${RUNS} runs: ${text(found)}`);
    console.log(`goodbye, from SIGTERM to not being used, ${RUNS} runs: ${text(left)}`);
    expect(percentile(found, SHARE)).toBeLessThan(300);
    expect(percentile(left, SHARE)).toBeLessThan(100);
  });

  test('a machine that loses its power is noticed within 6 s when idle, and within 3 s when a request waits', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'gpu2', 'laptop'] });
    const laptop = lab.host('laptop');
    await using client = await clientOn(laptop, ['--no-local-fallback']);
    const ollamas = await Promise.all(
      ['gpu1', 'gpu2'].map((name) => simulatedOn(lab.host(name), { models: [MODEL] })),
    );
    await using _one = await serveOn(lab.host('gpu1'));
    await using _two = await serveOn(lab.host('gpu2'));
    await reliable(laptop, 2);
    const idle: number[] = [];
    for (let run = 0; run < CUTS; run += 1) {
      await isFed(lab.host('gpu1'));
      const from = client.process.output.length;
      await lab.host('gpu1').linkDown();
      const downAt = Date.now();
      idle.push((await loggedAt(client.process, 'server unreliable', from)) - downAt);
      await lab.host('gpu1').linkUp();
      await reliable(laptop, 2);
    }
    // No byte comes for so long that only the probes beside the requests can tell.
    for (const ollama of ollamas) {
      ollama.child.stdin?.write(`${JSON.stringify({ kind: 'slow-first-byte', ms: 8000 })}\n`);
      await ollama.waitFor(/fault slow-first-byte/);
    }
    const from = client.process.output.length;
    const waiting = laptop.http(`${LOCAL_FACE}/api/chat?server=gpu1`, { ...CHAT, abortAfterMs: 5000 });
    await until(5000, 'the request at gpu1', async () => {
      const { servers } = (await laptop.http(`${LOCAL_FACE}/ollana/api/status`)).json() as {
        servers: { name: string; inFlight: number }[];
      };
      return servers.some(({ name, inFlight }) => name === 'gpu1' && inFlight > 0);
    });
    await lab.host('gpu1').linkDown();
    const downAt = Date.now();
    const waited = (await loggedAt(client.process, 'server unreliable', from)) - downAt;
    console.log(`power lost: noticed after ${idle.join(', ')} ms idle, ${waited} ms with a request waiting`);
    await waiting;
    // A machine that others make stumble doubts itself first, and looks once more.
    expect(percentile(idle, IS_LONG ? 0.9 : 1)).toBeLessThan(6000);
    expect(waited).toBeLessThan(3000);
  });
});

import { describe, expect, test } from 'vitest';
import type { Daemon } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import { skipBecause } from '../_skip.ts';
import { clientOn, LOCAL_FACE, serveOn, serversSeenBy, simulatedOn } from './_fleet.ts';
import type { HttpResult } from './_http.ts';
import { createLab, type Lab, type LabHost, labAvailable } from './_lab.ts';

const MODEL = { name: 'tiny', tokensPerSecond: 200 };
const CHAT = { body: { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] } };
const NAMES = ['gpu1', 'gpu2'] as const;

interface Fleet extends AsyncDisposable {
  readonly lab: Lab;
  readonly laptop: LabHost;
  readonly servers: Record<(typeof NAMES)[number], { ollama: TestProcess; serve: Daemon }>;
}

/** Nothing tells how many requests a simulated Ollama runs at once. */
const parallel = (slots: number) => ['--parallel', String(slots)];
const MANY = 16;
/** Requests after which what is learned of two equal servers is alike, though the first was ten times as slow at one. */
const ALIKE_AFTER = 5;

/** Two servers with the same model and a client that knows both. */
async function twoServers(slots = MANY): Promise<Fleet> {
  const lab = await createLab({ hosts: [...NAMES, 'laptop'] });
  try {
    const start = async (name: string) => {
      const ollama = await simulatedOn(lab.host(name), { models: [MODEL], numParallel: slots });
      return { ollama, serve: await serveOn(lab.host(name), parallel(slots)) };
    };
    const servers = { gpu1: await start('gpu1'), gpu2: await start('gpu2') };
    const laptop = lab.host('laptop');
    const client = await clientOn(laptop);
    await until(10_000, 'two reliable servers with the model', async () => {
      const seen = await serversSeenBy(laptop);
      return seen.filter((one) => one.verdict === 'reliable' && one.models.length > 0).length === 2;
    });
    // Loaded on both, neither is better than the other; by one request alone, one that the machine held up would be.
    for (let i = 0; i < ALIKE_AFTER; i += 1)
      for (const name of NAMES) await laptop.http(`${LOCAL_FACE}/api/chat?server=${name}`, CHAT);
    const dispose = async () => {
      for (const part of [client, servers.gpu1.serve, servers.gpu2.serve, lab])
        await part[Symbol.asyncDispose]();
    };
    return { lab, laptop, servers, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}

/** Lets both Ollamas answer only after `ms` milliseconds: requests that have no byte yet. */
async function slowFirstByte({ servers }: Fleet, ms: number): Promise<void> {
  for (const name of NAMES) {
    const { ollama } = servers[name];
    ollama.child.stdin?.write(`${JSON.stringify({ kind: 'slow-first-byte', ms })}\n`);
    await ollama.waitFor(/fault slow-first-byte/);
  }
}

/** Resolves when the client has requests running on both servers. */
function bothBusy({ laptop }: Fleet): Promise<unknown> {
  return until(5000, 'requests on both servers', async () => {
    const answer = await laptop.http(`${LOCAL_FACE}/ollana/api/status`);
    const { servers } = answer.json() as { servers: { inFlight: number }[] };
    return servers.filter((server) => server.inFlight > 0).length === 2;
  });
}

function expectWhole(answer: HttpResult): void {
  expect([answer.status, answer.error], answer.text.slice(-300)).toEqual([200, undefined]);
  expect(JSON.parse(answer.lines.at(-1)!.text)).toMatchObject({ done: true });
}

const serverOf = (answer: HttpResult) => String(answer.headers['x-ollana-server']);

describe('a server that goes away', { timeout: 60_000 }, () => {
  skipBecause(labAvailable());

  test('killed with requests that have no byte yet costs none of them', async () => {
    await using fleet = await twoServers();
    await slowFirstByte(fleet, 800);
    const asked = Array.from({ length: 12 }, () => fleet.laptop.http(`${LOCAL_FACE}/api/chat`, CHAT));
    await bothBusy(fleet);
    await fleet.servers.gpu1.serve.stop('SIGKILL');
    const answers = await Promise.all(asked);
    for (const answer of answers) expectWhole(answer);
    expect(new Set(answers.map(serverOf))).toEqual(new Set(['gpu2']));
    expect(answers.some((answer) => answer.headers['x-ollana-attempts'] === '2')).toBe(true);
  });

  test('unplugged with requests that have no byte yet costs none of them', async () => {
    await using fleet = await twoServers();
    await slowFirstByte(fleet, 800);
    const asked = Array.from({ length: 12 }, () => fleet.laptop.http(`${LOCAL_FACE}/api/chat`, CHAT));
    await bothBusy(fleet);
    await fleet.lab.host('gpu1').linkDown();
    const answers = await Promise.all(asked);
    for (const answer of answers) expectWhole(answer);
    const slowest = Math.max(...answers.map((answer) => answer.firstByteMs));
    console.log(
      `pulled link: the slowest of ${answers.length} moved requests began after ${slowest.toFixed(0)} ms`,
    );
    expect(slowest).toBeLessThan(10_000);
  });

  test('unplugged is avoided by new requests within 3 s and used again within 5 s of its return', async () => {
    // With one slot each, so that two requests at a time want both servers, however quick one of them was before.
    await using fleet = await twoServers(1);
    const { lab, laptop } = fleet;
    const ask = () => laptop.http(`${LOCAL_FACE}/api/chat`, CHAT);
    const pair = () => Promise.all([ask(), ask()]);
    expect(new Set((await pair()).map(serverOf))).toEqual(new Set(NAMES));

    await lab.host('gpu1').linkDown();
    const down = performance.now();
    const during: HttpResult[] = [];
    while (performance.now() - down < 4000) during.push(...(await pair()));
    for (const answer of during) expectWhole(answer);
    expect(new Set(during.map(serverOf))).toEqual(new Set(['gpu2']));
    const slowest = Math.max(...during.map((answer) => answer.firstByteMs));
    console.log(
      `link down: the slowest of ${during.length} new requests began after ${slowest.toFixed(0)} ms`,
    );
    expect(slowest).toBeLessThan(3000);

    await lab.host('gpu1').linkUp();
    const up = performance.now();
    await until(10_000, 'an answer of gpu1 after its return', async () => {
      return (await pair()).map(serverOf).includes('gpu1');
    });
    const back = performance.now() - up;
    console.log(`link up again: used after ${back.toFixed(0)} ms`);
    expect(back).toBeLessThan(5000);
  });

  test('killed mid-stream ends the stream with an error line, never with a clean end', async () => {
    await using fleet = await twoServers();
    let kill: Promise<unknown> | undefined;
    const answer = await fleet.laptop.http(`${LOCAL_FACE}/api/chat`, {
      ...CHAT,
      onLine: () => {
        kill ??= (async () => {
          const seen = await fleet.laptop.http(`${LOCAL_FACE}/ollana/api/status`);
          const { servers } = seen.json() as { servers: { name: string; inFlight: number }[] };
          const busy = servers.find((server) => server.inFlight > 0)?.name as (typeof NAMES)[number];
          await fleet.servers[busy].serve.stop('SIGKILL');
        })();
      },
    });
    await kill;
    expect(JSON.parse(answer.lines.at(-1)!.text)).toHaveProperty('error');
    expect(answer.text).not.toMatch(/"done":\s*true/);
  });

  test('killed is used again once it is started again', async () => {
    await using fleet = await twoServers();
    const { lab, laptop, servers } = fleet;
    await servers.gpu1.serve.stop('SIGKILL');
    const ask = () => laptop.http(`${LOCAL_FACE}/api/chat`, CHAT);
    for (const answer of await Promise.all([ask(), ask()])) expect(serverOf(answer)).toBe('gpu2');
    const again = ['--data-dir', servers.gpu1.serve.dataDir, ...parallel(MANY)];
    await using _again = await serveOn(lab.host('gpu1'), again);
    await until(5000, 'gpu1 to be reliable again', async () => {
      const seen = await serversSeenBy(laptop);
      return seen.some(({ name, verdict }) => name === 'gpu1' && verdict === 'reliable');
    });
    // The other is as good as it, so nothing else would have to go there.
    await servers.gpu2.serve.stop('SIGKILL');
    expect(serverOf(await ask())).toBe('gpu1');
  });
});

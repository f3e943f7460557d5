import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { nextBeatMs, Registrar, type RegistrarOptions } from '../src/daemon/register.ts';
import { ManualClock } from './_beacon.ts';
import { TestLog } from './_cluster-config.ts';
import { listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { LAN } from './_heartbeat.ts';
import { info } from './_mdns.ts';

describe('the sender', () => {
  const describeIt = () => ({
    nodeId: 'n',
    port: 11435,
    models: ['m'],
    metadata: {},
    load: { cpu: 0.5, memory: null },
  });

  async function speaking(url: string, more: Pick<RegistrarOptions, 'clock' | 'log' | 'read'>) {
    const registrar = new Registrar({
      urls: [url],
      connectTimeoutMs: 1000,
      describe: describeIt,
      random: () => 0.5,
      ...more,
    });
    await registrar.start();
    registrar.setSpeaking(true);
    return registrar;
  }

  /** A hub that is told of each heartbeat, and takes it when `answer` is called. */
  const hears = (onBeat: (body: { ipv4: string; port: number }, answer: () => void) => void) =>
    createServer(async (request, response) => {
      const text = Buffer.concat(await request.toArray()).toString();
      onBeat(JSON.parse(text), () => response.end('{"status":"ok"}'));
    });

  it('beats every 30 s, at once when an address changes, and only while its Ollama answers', async () => {
    const bodies: { ipv4: string; port: number }[] = [];
    await using hub = await listenOn(
      hears((body, answer) => {
        bodies.push(body);
        answer();
      }),
    );
    const clock = new ManualClock();
    const log = new TestLog();
    let interfaces = LAN;
    await using registrar = await speaking(hub.url, { clock, log, read: () => interfaces });
    const count = (n: number) => until(2000, `beat ${n}`, () => log.lines.length > 0 && bodies.length === n);
    await count(1);
    expect(bodies[0]).toEqual({
      node_id: 'n',
      ipv4: '192.168.1.5',
      ipv6: '2001:db8:1::5',
      port: 11435,
      models: ['m'],
      metadata: {},
      load: { cpu: 0.5, memory: null },
    });
    clock.advance(29_000);
    expect(bodies).toHaveLength(1);
    clock.advance(1000);
    await count(2);
    interfaces = { eth0: [info('192.168.1.55/24')] };
    clock.advance(1000);
    await count(3);
    expect(bodies[2]).toMatchObject({ ipv4: '192.168.1.55', ipv6: null });
    registrar.setSpeaking(false);
    clock.advance(100_000);
    registrar.setSpeaking(true);
    await count(4);
    expect(log.lines).toHaveLength(1);
  });

  it('tells of a change during a beat in the next one, at once', async () => {
    const addresses: string[] = [];
    const held: (() => void)[] = [];
    await using hub = await listenOn(
      hears((body, answer) => {
        addresses.push(body.ipv4);
        held.push(answer);
      }),
    );
    const clock = new ManualClock();
    let interfaces = LAN;
    await using _registrar = await speaking(hub.url, { clock, log: new TestLog(), read: () => interfaces });
    await until(2000, 'a beat under way', () => held.length === 1);
    interfaces = { eth0: [info('192.168.1.55/24')] };
    clock.advance(1000);
    held[0]?.();
    await until(2000, 'the next beat', () => addresses.length === 2);
    expect(addresses).toEqual(['192.168.1.5', '192.168.1.55']);
    held[1]?.();
  });

  it('backs off when nobody takes it, is heard soon after that ends, and says each once', async () => {
    let refuse = true;
    const beats: number[] = [];
    const clock = new ManualClock();
    await using hub = await listenOn(
      createServer((request, response) => {
        request.resume();
        beats.push(clock.now());
        response.writeHead(refuse ? 500 : 200).end();
      }),
    );
    const log = new TestLog();
    await using _ = await speaking(hub.url, { clock, log, read: () => LAN });
    // Nothing tells from outside when an answer has been read, so time passes in steps that are short to each wait.
    const beaten = (count: number) =>
      until(5000, `beat ${count}`, () => {
        if (beats.length < count) clock.advance(50);
        return beats.length === count;
      });
    await beaten(4);
    refuse = false;
    await beaten(5);
    const gaps = beats.slice(1).map((at, i) => at - (beats[i] ?? 0));
    for (const [i, least] of [900, 1800, 3600, 7200].entries()) {
      expect(gaps[i]).toBeGreaterThanOrEqual(least);
      expect(gaps[i]).toBeLessThan(2 * least);
    }
    await until(2000, 'the end of it', () => log.lines.length === 2);
    expect(log.lines.map(({ level }) => level)).toEqual(['warn', 'info']);
    expect(log.lines[0]!.fields).toEqual({ at: hub.url, reason: 'HTTP status 500' });
    expect(nextBeatMs(20, () => 0.5)).toBe(30_000);
    expect([nextBeatMs(0, () => 0), nextBeatMs(0, () => 1)]).toEqual([27_000, 33_000]);
  });
});

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { machineLines } from '../src/cli/machine-lines.ts';
import { systemClock } from '../src/clock.ts';
import { readMachineFacts } from '../src/fleet/machine-facts.ts';
import { loadBetween, readProcStat } from '../src/server/cpu-load.ts';
import { freeOf } from '../src/server/free-memory.ts';
import { readNvidia, readRocm } from '../src/server/gpu-cards.ts';
import { GpuTool } from '../src/server/gpu-tool.ts';
import { probeMachine, readProbe } from '../src/server/machine-probe.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { call } from './_api.ts';
import { startCluster } from './_cluster.ts';
import { startDaemon, temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { handClock } from './_hand-clock.ts';

const MIB = 1024 * 1024;

describe('what the tools of card makers print', () => {
  it('of NVIDIA', () => {
    const text =
      'NVIDIA GeForce RTX 4090, 24564, 20480, 37, 62, 285.40, 450.00\nTesla T4, 15360, [N/A], [Not Supported], 40, [N/A], 70\n';
    expect(readNvidia(text)).toEqual([
      {
        name: 'NVIDIA GeForce RTX 4090',
        totalBytes: 24_564 * MIB,
        freeBytes: 20_480 * MIB,
        load: 0.37,
        temperatureC: 62,
        powerW: 285.4,
        powerLimitW: 450,
      },
      {
        name: 'Tesla T4',
        totalBytes: 15_360 * MIB,
        freeBytes: null,
        load: null,
        temperatureC: 40,
        powerW: null,
        powerLimitW: 70,
      },
    ]);
    for (const odd of ['', '\n', 'NVIDIA-SMI has failed because it could not communicate', 'a,b'])
      readNvidia(odd);
    expect(readNvidia('No devices were found\n')).toEqual([]);
  });

  it('of AMD, in two of its ways', () => {
    const card = (power: string) => ({
      'Card series': 'Radeon RX 7900 XTX',
      'GPU use (%)': '12',
      'Temperature (Sensor edge) (C)': '41.0',
      [power]: '88.0',
      'VRAM Total Memory (B)': '25753026560',
      'VRAM Total Used Memory (B)': '753026560',
    });
    for (const power of ['Average Graphics Package Power (W)', 'Current Socket Graphics Package Power (W)'])
      expect(readRocm(`WARNING: old\n${JSON.stringify({ card0: card(power), system: { x: '1' } })}`)).toEqual(
        [
          {
            name: 'Radeon RX 7900 XTX',
            totalBytes: 25_753_026_560,
            freeBytes: 25_000_000_000,
            load: 0.12,
            temperatureC: 41,
            powerW: 88,
            powerLimitW: null,
          },
        ],
      );
    expect(readRocm('no json')).toEqual([]);
    expect(readRocm('{"card0":null,"card1":{"Card series":"N/A"}}')).toHaveLength(2);
  });

  it('adds up to free memory only where every card tells it', () => {
    expect(freeOf(readNvidia('a, 10, 5, 0, 1, 1, 1\nb, 10, 6, 0, 1, 1, 1'))).toBe(11 * MIB);
    expect(freeOf(readNvidia('a, 10, 5, 0, 1, 1, 1\nb, 10, [N/A], 0, 1, 1, 1'))).toBeUndefined();
    expect(freeOf([])).toBeUndefined();
  });
});

describe('the tool of a card maker', () => {
  /** Has a script stand in for nvidia-smi while `run` does. */
  async function having(script: string, run: (calls: () => number) => Promise<void>) {
    using folder = temporaryDirectory('tool');
    const tools = join(folder.path, 'bin');
    const log = join(folder.path, 'calls');
    mkdirSync(tools);
    writeFileSync(log, '');
    writeFileSync(join(tools, 'nvidia-smi'), `#!/bin/sh\necho x >> ${log}\n${script}\n`, { mode: 0o755 });
    const before = process.env.PATH;
    process.env.PATH = `${tools}${delimiter}${before}`;
    try {
      await run(() => readFileSync(log, 'utf8').split('\n').length - 1);
    } finally {
      process.env.PATH = before;
    }
  }

  it.skipIf(process.platform === 'win32')('is started once for all who ask within 8 s', async () => {
    await having('echo A, 10, 5, 0, 1, 1, 1', async (calls) => {
      const clock = handClock();
      const tool = new GpuTool(clock);
      const [one, two] = await Promise.all([tool.cards(), tool.cards()]);
      expect(one).toBe(two);
      expect(one).toMatchObject([{ name: 'A' }]);
      clock.pass(7000);
      await tool.cards();
      expect(calls()).toBe(1);
      clock.pass(2000);
      await tool.cards();
      expect(calls()).toBe(2);
    });
  });

  it.skipIf(process.platform === 'win32')('that hangs, or prints without end, is ended', async () => {
    for (const script of ['exec sleep 60', 'exec yes 1, 2, 3, 4, 5, 6, 7'])
      await having(script, async (calls) => {
        const from = performance.now();
        expect(await new GpuTool(handClock()).cards()).toEqual([]);
        expect(performance.now() - from).toBeLessThan(6000);
        expect(calls()).toBe(1);
      });
  });
});

describe('what a peer tells of its machine', () => {
  it('is taken as far as it makes sense', () => {
    const whole = {
      atMs: 5,
      ollana: '0.1.0',
      system: 'Linux',
      cpu: { name: 'c', cores: 8, load: 0.5 },
      memory: { totalBytes: 10, freeBytes: 5 },
      disk: { totalBytes: 10, freeBytes: 5 },
      gpus: [readNvidia('A, 10, 5, 0, 1, 1, 1')[0]],
      link: { name: 'eth0', mbps: 1000 },
      parallel: { value: 4, source: 'process' },
      settings: { OLLAMA_KEEP_ALIVE: '5m' },
    };
    expect(readMachineFacts(JSON.parse(JSON.stringify(whole)))).toEqual(whole);
  });

  it.each([[null], [[]], ['x'], [5]])('%j is none', (value) => {
    expect(readMachineFacts(value)).toBeUndefined();
  });

  it('is bounded and never guessed', () => {
    const odd = {
      cpu: 7,
      memory: { totalBytes: 5, freeBytes: 10 },
      disk: { totalBytes: 0, freeBytes: 0 },
      gpus: Array.from({ length: 5000 }, () => ({ name: 'x'.repeat(5000), totalBytes: '9', load: 7 })),
      link: { name: 5 },
      parallel: { value: -1 },
      settings: {
        __proto__: { a: '1' },
        PATH: '/root',
        OLLAMA_KEEP_ALIVE: '5',
        ollama_x: '1',
        OLLAMA_MAX_QUEUE: 5,
      },
    };
    const read = readMachineFacts(odd);
    expect(read).toMatchObject({
      ollana: null,
      cpu: { name: null, cores: null, load: null },
      memory: null,
      disk: null,
      link: null,
      parallel: null,
      settings: { OLLAMA_KEEP_ALIVE: '5' },
    });
    expect(Object.keys(read?.settings ?? {})).toEqual(['OLLAMA_KEEP_ALIVE']);
    expect(read?.gpus).toHaveLength(32);
    expect(read?.gpus[0]).toMatchObject({ totalBytes: null, load: 1 });
    expect(read?.gpus[0]?.name).toHaveLength(100);
    expect(readMachineFacts({})?.settings).toBeNull();
  });
});

describe('this machine', () => {
  it('is probed by a process of its own, which ends', { timeout: 30_000 }, async () => {
    const probe = await probeMachine(systemClock, new AbortController().signal);
    expect(probe).toBeDefined();
    expect(probe?.availableBytes).toBeGreaterThan(0);
    const gone = new AbortController();
    gone.abort();
    expect(await probeMachine(systemClock, gone.signal)).toBeUndefined();
    expect(readProbe('no')).toBeUndefined();
    expect(
      readProbe('{"link":{"name":"eth0","mbps":-1},"gpuNames":[["NVIDIA","NVIDIA A10"],["",""],7]}'),
    ).toEqual({
      cpuName: null,
      gpuNames: ['NVIDIA A10'],
      link: { name: 'eth0', mbps: null },
      availableBytes: null,
    });
  });

  it('has a load between two looks', () => {
    const before = readProcStat('cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1 1\n');
    const now = readProcStat('cpu  150 0 150 900 0 0 0 0 0 0\n');
    expect(loadBetween(before, now)).toBe(0.5);
    expect(loadBetween(undefined, now)).toBeNull();
    expect(loadBetween(now, now)).toBeNull();
    expect(readProcStat('')).toBeUndefined();
  });
});

describe('a server', () => {
  it('tells its clients what machine it is, by stream and by path', async () => {
    await using it = await startCluster({ serve: true });
    const seen = await until(8000, 'the machine to be told', () => it.view(0).machine);
    expect(seen.memory?.totalBytes).toBeGreaterThan(0);
    expect(seen).toMatchObject({ parallel: { value: 1 }, cpu: { cores: expect.any(Number) } });
    const url = it.servers[0]?.url ?? '';
    expect((await call(url, '/ollana/api/facts')).json).toMatchObject({
      system: seen.system,
      gpus: seen.gpus,
    });
    // A client has no Ollama of its own to tell of.
    expect((await call(it.url, '/ollana/api/facts')).status).toBe(404);
    const node = (await call(it.url, '/nodes/a')).json;
    expect(node.machine.system).toBe(seen.system);
    expect(node.load.memory).toBeGreaterThan(0);
    // Its own status has it, too.
    expect(it.servers[0]?.status().servers[0]?.machine?.system).toBe(seen.system);
  });

  it('is told in the words of the load balancer that others know, its processors within some seconds', async () => {
    await using it = await startCluster({ serve: true });
    const views = [it.url, it.servers[0]?.url ?? ''];
    for (const url of views) {
      const [node] = await until(6000, 'the load of its processors', async () => {
        const { nodes } = (await call(url, '/fleet/status')).json;
        return nodes[0].cpu.utilization_pct !== null && nodes;
      });
      expect(node.cpu.utilization_pct).toBeGreaterThanOrEqual(0);
      expect(node.cpu.utilization_pct).toBeLessThanOrEqual(100);
      const { memory } = it.view(0).machine ?? {};
      expect(node.memory.used_pct).toBeGreaterThan(0);
      expect(node.memory.free_bytes).toBeGreaterThan(0);
      expect(node.memory.free_bytes).toBeLessThan(memory?.totalBytes ?? 0);
      // Both are of the same memory.
      const used = 1 - node.memory.free_bytes / (memory?.totalBytes ?? 0);
      expect(Math.abs(used * 100 - node.memory.used_pct)).toBeLessThan(0.1);
    }
  });

  it('is shown by `ollana status --wide`, with the card that its tool tells of', {
    timeout: 60_000,
  }, async () => {
    using folder = temporaryDirectory('wide');
    const tools = join(folder.path, 'bin');
    mkdirSync(tools);
    // Where Ollama keeps its models, unless it is told otherwise.
    mkdirSync(join(folder.path, '.ollama'));
    const card = 'NVIDIA Test, 24576, 12288, 10, 61, 200, 300';
    writeFileSync(join(tools, 'nvidia-smi'), `#!/bin/sh\necho ${card}\n`, { mode: 0o755 });
    await using ollama = await startSimulatedOllama();
    await using daemon = await startDaemon({
      args: [
        'serve',
        '--ollama',
        ollama.url,
        '--host',
        '127.0.0.1',
        '--port',
        '0',
        '--no-udp',
        '--no-mdns',
        '--name',
        'attic',
      ],
      env: { PATH: `${tools}${delimiter}${process.env.PATH}`, HOME: folder.path },
      startMs: 20_000,
    });
    const { json } = await until(10_000, 'its card', async () => {
      const answer = await call(daemon.url, '/ollana/api/facts');
      return answer.json?.gpus?.length === 1 && answer;
    });
    expect(json.gpus[0]).toMatchObject({ name: 'NVIDIA Test', temperatureC: 61 });
    const { servers } = (await call(daemon.url, '/ollana/api/status')).json;
    const text = machineLines(servers).join('\n');
    expect(text).toContain('GPU NVIDIA Test: 26 GB VRAM, 13 GB free, 10 % busy, 61 °C, 200 of 300 W');
    expect(text).toMatch(/models' disk .* free/);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});

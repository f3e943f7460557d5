import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, vi } from 'vitest';
import { magicPacket } from '../src/discovery/wake.ts';
import { WakeBook } from '../src/fleet/wake-book.ts';
import { WakeFile } from '../src/fleet/wake-file.ts';
import { readRuns } from '../src/observe/benchmark/kept.ts';
import { ManualClock } from './_beacon.ts';
import { temporaryDirectory } from './_daemon.ts';
import { fuzz, shown } from './_fuzz.ts';
import { damaged, isLine } from './_fuzz-damage.ts';

/** On a busy machine. */
vi.setConfig({ testTimeout: 120_000 });

test('3000 damaged files of servers that sleep are read as far as they make sense, and wake no other card', async () => {
  using folder = temporaryDirectory('fuzz');
  const path = join(folder.path, 'wake.json');
  const clock = new ManualClock();
  const server = {
    deviceId: 'a'.repeat(64),
    name: 'attic',
    cards: [{ mac: '02:11:22:33:44:55', address: '10.0.0.7' }],
    models: ['llama3:8b', 'qwen3:4b'],
    seenAt: clock.wall(),
    calls: 1,
  };
  const good = JSON.stringify({ version: 1, servers: [server, { ...server, deviceId: 'b'.repeat(64) }] });
  const read = async () => {
    const book = new WakeBook();
    const told: string[] = [];
    const file = new WakeFile({
      dir: folder.path,
      book,
      clock,
      onTrouble: (_what, _path, reason) => told.push(reason),
    });
    await file.read();
    return { servers: book.all(), told };
  };
  await fuzz({
    name: 'servers that sleep',
    cases: 3000,
    run: async (dice) => {
      const bytes = damaged(good, dice);
      writeFileSync(path, bytes);
      const { servers, told } = await read();
      if (!told.every(isLine)) throw new Error(`said of ${shown(bytes)}: ${told.join()}`);
      for (const { name, models, cards, calls } of servers) {
        for (const { mac } of cards) magicPacket(mac);
        const isBounded = name.length <= 256 && models.every((model) => model.length <= 256);
        if (!isBounded || !(calls >= 0)) throw new Error(`took ${shown(bytes)}`);
      }
    },
  });
  rmSync(path, { force: true });
  mkdirSync(path);
  if ((await read()).servers.length > 0) throw new Error('a folder was read');
});

test('3000 damaged files of benchmarks give runs in bounds, or one clear line', async () => {
  const row = {
    server: 'attic',
    deviceId: 'a'.repeat(64),
    model: 'm',
    state: 'done',
    asked: 9,
    toAsk: 9,
    decodePerS: 40,
  };
  const run = { id: 'x', startedAt: 1, endedAt: 2, state: 'done', rounds: 1, rows: [row, row] };
  const good = JSON.stringify({ version: 1, runs: [run, run] });
  await fuzz({
    name: 'benchmarks',
    cases: 3000,
    run: (dice) => {
      const bytes = damaged(good, dice);
      let value: unknown;
      try {
        value = JSON.parse(bytes.toString());
      } catch {
        return; // Whoever reads the file says so.
      }
      try {
        for (const { rows } of readRuns(value))
          for (const { server, model } of rows)
            if (server.length > 128 || model.length > 128) throw new Error(`took ${shown(bytes)}`);
      } catch (error) {
        if (!isLine((error as Error).message)) throw error;
      }
    },
  });
});

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { runningDaemons } from '../src/daemon/state-file.ts';
import { readAdded, writeAdded } from '../src/discovery/added-file.ts';
import { CostFile } from '../src/fleet/cost-file.ts';
import { Costs } from '../src/fleet/costs.ts';
import { newKey } from '../src/security/api-key.ts';
import { commandKey, isCommandKey, makeCommandKeyOnce } from '../src/security/command-key.ts';
import { loadIdentity } from '../src/security/identity.ts';
import { shownIds } from '../src/security/shown-id.ts';
import { ManualClock } from './_beacon.ts';
import { temporaryDirectory } from './_daemon.ts';
import { fuzz, shown } from './_fuzz.ts';
import { damaged, isClear, isLine } from './_fuzz-damage.ts';
import { flipsOf } from './_hostile.ts';

/** On a busy machine. */
vi.setConfig({ testTimeout: 120_000 });
const [_OWN, FRIEND, _STRANGER] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [
  string,
  string,
  string,
];
test('3000 damaged identities: the same device, or one clear line; never another one, and the file stays', async () => {
  using folder = temporaryDirectory('fuzz');
  const dir = folder.path;
  const { deviceId } = loadIdentity(dir);
  const path = join(dir, 'tls.pem');
  const good = readFileSync(path);
  const flips = flipsOf(good);
  await fuzz({
    name: 'identities',
    cases: 3000,
    run: (dice) => {
      const bytes = dice.chance(0.7) ? dice.one(flips) : damaged(good.toString(), dice);
      writeFileSync(path, bytes);
      try {
        if (loadIdentity(dir).deviceId !== deviceId) throw new Error('another device');
      } catch (error) {
        if (!isClear(error)) throw error;
      }
      if (!readFileSync(path).equals(bytes)) throw new Error('the file was changed');
    },
  });
  expect(readdirSync(dir)).toEqual(['tls.pem']);
});

test('4000 damaged secrets of the commands and of shown ids open nothing', async () => {
  using folder = temporaryDirectory('fuzz');
  const dir = folder.path;
  makeCommandKeyOnce(dir);
  const key = commandKey(dir) ?? '';
  const good = shownIds(dir)(FRIEND);
  const secret = readFileSync(join(dir, 'shown-id-secret'), 'utf8');
  await fuzz({
    name: 'secrets',
    cases: 4000,
    run: (dice) => {
      const bytes = damaged(`${key}\n`, dice);
      writeFileSync(join(dir, 'command-key'), bytes);
      for (const wrong of ['', 'ollana_', newKey(), 'x'.repeat(50)])
        if (isCommandKey(dir, wrong)) throw new Error(`opened by ${shown(bytes)}`);
      const other = damaged(secret, dice);
      writeFileSync(join(dir, 'shown-id-secret'), other);
      try {
        const id = shownIds(dir)(FRIEND);
        if (!/^[0-9a-f]{64}$/.test(id)) throw new Error(`shown ${id}`);
        if (id === createHash('sha256').update(FRIEND).digest('hex')) throw new Error('no secret');
      } catch (error) {
        if (!isClear(error)) throw error;
      }
    },
  });
  expect(good).toMatch(/^[0-9a-f]{64}$/);
});

test('5000 damaged files of costs, added servers and states are left out, and nothing typed is lost', async () => {
  using folder = temporaryDirectory('fuzz');
  const dir = folder.path;
  const costs = new Costs();
  costs.learn(FRIEND, 'm', {
    outputTokens: 10,
    decodeMsPerToken: 5,
    prefillMsPerToken: 1,
    loadMs: 100,
  } as never);
  const costText = `${JSON.stringify({ version: 1, costs })}\n`;
  expect(new Costs().load(JSON.parse(costText).costs)).toBe(1);
  const added = join(dir, 'added.json');
  await writeAdded(added, [
    { url: 'http://10.0.0.1:11434', name: 'attic' },
    { url: 'http://10.0.0.2:11434' },
  ]);
  const addedText = readFileSync(added, 'utf8');
  const state = JSON.stringify({
    pid: process.pid,
    url: 'http://127.0.0.1:11435',
    mode: 'client',
    startedAt: '2026',
  });
  const clock = new ManualClock();
  await fuzz({
    name: 'costs, added servers, states',
    cases: 5000,
    run: async (dice, index) => {
      const bytes = damaged(costText, dice);
      writeFileSync(join(dir, 'costs.json'), bytes);
      const read = new Costs();
      const notices: string[] = [];
      const file = new CostFile({
        dir,
        costs: read,
        clock,
        onNotice: ({ reason }) => notices.push(reason),
      });
      await file.start();
      for (const { model, cost } of read.entries()) {
        const numbers = Object.values(cost).filter((one) => typeof one === 'number');
        if (model.length > 512 || !numbers.every((one) => Number.isFinite(one) && one >= 0))
          throw new Error(`costs of ${shown(bytes)}`);
      }
      if (!notices.every(isLine)) throw new Error(`said of ${shown(bytes)}: ${notices.join()}`);
      const typed = damaged(addedText, dice);
      writeFileSync(added, typed);
      const { servers, bad } = await readAdded(added, 100, index);
      for (const { url } of servers) new URL(url);
      if (bad) {
        if (!isLine(bad.reason) || !bad.movedTo || !readFileSync(bad.movedTo).equals(typed))
          throw new Error(`lost: ${shown(typed)}, ${bad.reason}`);
        rmSync(bad.movedTo);
      }
      writeFileSync(join(dir, 'client.json'), damaged(state, dice));
      for (const one of runningDaemons(dir)) new URL(one.url);
    },
  });
  // A directory, and one file too many bytes long.
  rmSync(added, { force: true });
  mkdirSync(added);
  expect((await readAdded(added, 100, 1)).servers).toEqual([]);
  rmSync(join(dir, 'costs.json'), { force: true });
  mkdirSync(join(dir, 'costs.json'));
  await new CostFile({ dir, costs: new Costs(), clock }).start();
});

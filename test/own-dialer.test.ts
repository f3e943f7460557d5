import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { ownDialer } from '../src/daemon/own-dialer.ts';
import { temporaryDirectory } from './_daemon.ts';
import { allow } from './_paired.ts';

const ID = 'a'.repeat(64);

it.each([
  { list: false, requirePairing: undefined, closed: false },
  { list: false, requirePairing: true, closed: true },
  { list: false, requirePairing: false, closed: false },
  { list: true, requirePairing: undefined, closed: true },
  { list: true, requirePairing: true, closed: true },
  { list: true, requirePairing: false, closed: false },
])('a command dials as a daemon that is told the same: %j', async ({ list, requirePairing, closed }) => {
  using folder = temporaryDirectory('dialer');
  if (list) await allow(folder.path, ID);
  const before = readdirSync(folder.path);
  const exempt = 'http://127.0.0.1:11434';
  using own = ownDialer({ dataDir: folder.path, requirePairing, exempt, clock: systemClock });
  const at = { url: 'http://10.0.0.7:11435', deviceId: ID, proven: true };
  expect(own.dialer.closed).toBe(closed);
  expect(own.dialer.dial('10.0.0.7', 11435).type).toBe(closed ? 'tls' : 'plain');
  // A stranger is used where anybody is, and a paired device always.
  expect(own.dialer.accepts({ ...at, deviceId: 'b'.repeat(64) })).toBe(!closed);
  expect(own.dialer.accepts(at)).toBe(list || !closed);
  if (!list) expect(readdirSync(folder.path)).toEqual(before);
});

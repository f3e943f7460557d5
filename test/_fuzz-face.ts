import { connect } from 'node:net';
import { expect } from 'vitest';
import { until } from './_deadline.ts';
import { Dice, fuzz, GUARD_MS, heapBytes, LIMIT_MS, OwnTime, openSockets, shown } from './_fuzz.ts';
import { HttpCases } from './_fuzz-http.ts';
import { EVIL, type HttpCase } from './_fuzz-http-requests.ts';
import type { RawUpstream } from './_fuzz-upstream.ts';

/** At each face; both together are a surface. */
export const CASES = 10_000;
export const PATIENCE_MS = 120_000;
/** What may lack something is waited for so long before its sender leaves, ms. */
const OPEN_MS = 10;
const AT_ONCE = 16;
const time = new OwnTime();

/** Where a face is. */
export interface Target {
  readonly address: string;
  readonly port: number;
}

interface Said {
  readonly text: string;
  /** The face ended the connection, before its sender did. */
  readonly closed: boolean;
  /** From the last byte sent, or the sender's leaving, to the end. */
  readonly ms: number;
}

/** Sends a case; resolves when the face has ended the connection, or `isDone` has been answered. */
function say(
  { address, port }: Target,
  { bytes, ending }: HttpCase,
  isDone: (text: string) => boolean,
): Promise<Said> {
  return new Promise((resolve, reject) => {
    let [text, sentAt, closed, left] = ['', time.now(), false, false];
    const socket = connect({ host: address, port, noDelay: true });
    const limit = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end; got ${shown(text)}`));
    }, GUARD_MS);
    let leave: NodeJS.Timeout | undefined;
    socket.once('connect', () => {
      socket.write(bytes, 'latin1');
      sentAt = time.now();
      if (ending === 'open') {
        leave = setTimeout(() => {
          left = true;
          sentAt = time.now();
          socket.end();
        }, OPEN_MS);
      }
    });
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (isDone(text)) socket.destroy();
    });
    socket.on('end', () => {
      closed = !left;
    });
    socket.on('error', () => {
      closed = !left;
    });
    socket.once('close', () => {
      clearTimeout(limit);
      clearTimeout(leave);
      resolve({ text, closed, ms: time.now() - sentAt });
    });
  });
}

const tokensIn = (text: string) => [...text.matchAll(/\{"token":"([^"]*)"\}/g)].map(([, token]) => token);

/** Whether `part` is what is left of `whole` when some of it is left out. */
function isWithin(part: readonly (string | undefined)[], whole: readonly string[]): boolean {
  let at = 0;
  return part.every((one) => {
    at = whole.indexOf(one ?? '', at) + 1;
    return at > 0;
  });
}

/**
 * Sends `CASES` hostile connections to a face before `upstream`. Rejects when one of them is not ended in time, when a
 * request reaches the server that was not meant, twice, or in another's place, when an ordinary request is not answered
 * afterwards, or when memory or connections are left behind. `forget` empties what the test itself keeps.
 */
export async function attack(
  name: string,
  target: Target,
  upstream: RawUpstream,
  forget: () => void,
): Promise<void> {
  const cases = new HttpCases(`${target.address}:${target.port}`);
  const ask = async (token: string) => {
    const bytes = cases.ordinary(new Dice(1), token, true);
    const { text, ms } = await say(target, { shape: '', bytes, meant: [token], ending: 'all' }, () => false);
    if (!text.startsWith('HTTP/1.1 200') || tokensIn(text).join() !== token || ms > LIMIT_MS)
      throw new Error(`an ordinary request (${token}) got ${shown(text)} after ${ms} ms`);
  };
  const settled = (sockets: number) =>
    until(5000, 'connections to be gone', () => openSockets() <= sockets).catch((error: Error) => {
      throw new Error(`${error.message}: ${openSockets()} instead of ${sockets}`);
    });
  const check = () => {
    expect(upstream.faults).toEqual([]);
    const seen = new Map<string, number>();
    for (const one of upstream.arrived) {
      seen.set(one.token, (seen.get(one.token) ?? 0) + 1);
      const isEvil = `${one.token} ${one.target}`.includes(EVIL) && !one.target.includes('evil.example');
      if (isEvil || one.target === '/api/delete')
        throw new Error(`smuggled: ${JSON.stringify(one)} by ${shapes.get(one.token)}`);
    }
    for (const [token, times] of seen)
      if (times > 1 && /^t\d+$/.test(token))
        throw new Error(`${token} reached the server ${times} times, by ${shapes.get(token)}`);
    upstream.arrived.length = 0;
  };
  const shapes = new Map<string, string>();
  const run = async (dice: Dice, index: number) => {
    const one = cases.draw(dice, index);
    for (const token of one.meant) shapes.set(token, `case ${index}, ${one.shape}: ${shown(one.bytes)}`);
    shapes.set(`${EVIL}-${index}`, `case ${index}, ${one.shape}: ${shown(one.bytes)}`);
    const isDone = (text: string) => one.ending === 'all' && tokensIn(text).length === one.meant.length;
    const describe = (said?: Said) =>
      `${one.shape}: sent ${shown(one.bytes)}, got ${shown(said?.text ?? '')}`;
    let said: Said;
    try {
      said = await say(target, one, isDone);
    } catch (error) {
      throw new Error(`${describe()}: ${(error as Error).message}`);
    }
    const tokens = tokensIn(said.text);
    if (said.ms > LIMIT_MS) throw new Error(`${describe(said)}: took ${said.ms} ms`);
    if (!isWithin(tokens, one.meant) && one.shape !== 'bytes changed')
      throw new Error(`${describe(said)}: answers ${tokens} of ${one.meant}`);
    if (one.ending === 'all' && tokens.length !== one.meant.length)
      throw new Error(`${describe(said)}: no answer`);
    if ((one.ending === 'refused' || one.ending === 'ends') && !said.closed)
      throw new Error(`${describe(said)}: stayed open`);
  };
  // What is kept for good is there after the first lots.
  await fuzz({ name: `${name}, first`, cases: 300, atOnce: AT_ONCE, run });
  await Promise.all(Array.from({ length: AT_ONCE }, () => ask(cases.token())));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const sockets = openSockets() + AT_ONCE;
  check();
  forget();
  const heap = heapBytes();
  await fuzz({
    name,
    cases: CASES,
    atOnce: AT_ONCE,
    run,
    afterLot: async () => {
      await ask(cases.token());
      check();
      forget();
      shapes.clear();
    },
  });
  await settled(sockets);
  forget();
  expect(heapBytes() - heap).toBeLessThan(6_000_000);
}

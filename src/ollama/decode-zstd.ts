import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../clock.ts';
import { isDecodable } from './zstd-frames.ts';

/** 20 MiB takes a third of a second on a busy machine; what takes longer than this, ms, is meant to. */
const MAX_MS = 2000;

/**
 * Runs in its own thread because the decoder believes the lengths that a block claims: 20 bytes can keep it busy
 * for minutes, and nothing but ending the thread stops it. Text, not a file, so that it is the same from source
 * and compiled. Posts the decoded bytes, 'over' when they are too many, or null.
 */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const { Decompress, ZstdErrorCode } = require(workerData.fzstd);
const parts = [];
let length = 0;
const stream = new Decompress((part) => {
  length += part.length;
  if (length > workerData.maxBytes) throw new Error('too long');
  parts.push(part);
});
let usable = true;
try {
  stream.push(workerData.data, true);
} catch (error) {
  usable = error.code === ZstdErrorCode.UnexpectedEOF;
  if (length > workerData.maxBytes) parentPort.postMessage('over');
}
if (usable) {
  const decoded = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    decoded.set(part, at);
    at += part.length;
  }
  parentPort.postMessage(decoded, [decoded.buffer]);
} else parentPort.postMessage(null);
`;

type Decoded = Uint8Array<ArrayBuffer> | 'over' | null;

/**
 * Decodes zstd data, or the beginning of some. Undefined when it is malformed, needs a window over 8 MiB or a
 * dictionary; rejects with the code of zlib when it gives more than `maxBytes` or takes over two seconds.
 */
export async function decodeZstd(data: Buffer, maxBytes: number, clock: Clock): Promise<Buffer | undefined> {
  if (!isDecodable(data, maxBytes)) return undefined;
  // A copy of its own: sending a slice would send all of the memory that it is a slice of.
  const copy = new Uint8Array(data);
  const worker = new Worker(THREAD, {
    eval: true,
    workerData: { fzstd: createRequire(import.meta.url).resolve('fzstd'), data: copy, maxBytes },
    transferList: [copy.buffer],
    env: {},
    execArgv: [],
  });
  const decoded = await new Promise<Decoded>((resolve) => {
    const cancel = clock.after(MAX_MS, () => resolve('over'));
    const settle = (value: Decoded) => {
      cancel();
      resolve(value);
    };
    worker.once('message', settle);
    worker.once('error', () => settle(null));
    worker.once('exit', () => settle(null));
  });
  await worker.terminate();
  if (decoded === 'over')
    throw Object.assign(new Error('it becomes too much'), { code: 'ERR_BUFFER_TOO_LARGE' });
  return decoded ? Buffer.from(decoded.buffer) : undefined;
}

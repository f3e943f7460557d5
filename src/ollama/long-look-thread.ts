import { parentPort } from 'node:worker_threads';
import type { LookAnswer, LookAsk } from './long-look.ts';
import { peekJson } from './peek.ts';
import { scanWork } from './work-scan.ts';

// The thread of `LongLook`.
parentPort?.on('message', ({ id, body }: LookAsk) => {
  const json = Buffer.from(body.buffer, body.byteOffset, body.length);
  const { plain: _plain, ...peeked } = peekJson(json);
  parentPort?.postMessage({ id, peeked, work: scanWork(json) } satisfies LookAnswer);
});

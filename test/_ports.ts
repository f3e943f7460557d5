import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port that is free for TCP and UDP, and that no connection is given by chance before the test takes it: below the
 * range that systems take those from (Linux from 32768, others from 49152).
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    if ((await isFree('tcp', port)) && (await isFree('udp', port))) return port;
  }
}

async function isFree(kind: 'tcp' | 'udp', port: number): Promise<boolean> {
  const holder = kind === 'tcp' ? createServer() : createSocket('udp4');
  const bound = once(holder, 'listening');
  if ('bind' in holder) holder.bind(port, '0.0.0.0');
  else holder.listen(port, '0.0.0.0');
  try {
    await bound;
  } catch {
    return false;
  }
  const closed = once(holder, 'close');
  holder.close();
  await closed;
  return true;
}

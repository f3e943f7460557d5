import { createConnection } from 'node:net';
import type { Clock } from '../clock.ts';
import type { ResolverAddress } from '../config/discover.ts';

export interface TcpAsk {
  readonly to: ResolverAddress;
  readonly message: Uint8Array;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Every message over TCP is preceded by its length in two bytes (RFC 1035, 4.2.2), so none is longer than 64 kB. */
const LENGTH_BYTES = 2;

/**
 * Sends one DNS message over a connection of its own and resolves with the one that comes back; never holds more
 * than that one. Rejects when there is no connection, when it ends early, after `timeoutMs`, or when `signal` aborts.
 */
export function askOverTcp({ to, message, timeoutMs, clock, signal }: TcpAsk): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error('aborted'));
    const socket = createConnection({ host: to.address, port: to.port });
    const pieces: Buffer[] = [];
    let received = 0;
    let wanted = LENGTH_BYTES;
    const end = () => {
      cancel();
      signal.removeEventListener('abort', abort);
      socket.destroy();
    };
    const fail = (error: Error) => {
      end();
      reject(error);
    };
    const abort = () => fail(new Error('aborted'));
    const cancel = clock.after(timeoutMs, () => fail(new Error(`no answer over TCP in ${timeoutMs} ms`)));
    signal.addEventListener('abort', abort);
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('the connection ended without an answer')));
    socket.on('data', (bytes) => {
      pieces.push(bytes);
      received += bytes.length;
      // Put together when there is enough of it: it may come byte by byte.
      if (received < wanted) return;
      const whole = Buffer.concat(pieces);
      wanted = LENGTH_BYTES + whole.readUInt16BE(0);
      if (received < wanted) return;
      end();
      resolve(whole.subarray(LENGTH_BYTES, wanted));
    });
    const length = Buffer.from([message.length >> 8, message.length & 0xff]);
    socket.write(Buffer.concat([length, message]));
  });
}

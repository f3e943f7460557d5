import { connect, createServer, type Socket } from 'node:net';
import { type Listening, listenOn } from './_cluster-upstream.ts';

export interface SlowLink extends Listening {
  /** Connections taken so far. */
  readonly taken: number;
  /** Each way takes this long, ms; can be changed for connections to come. */
  delayMs: number;
  /** Where connections to come go, on loopback. */
  target: number;
}

/** Forwards connections to `port` on loopback, every byte late. */
export async function startSlowLink(port: number, delayMs = 0): Promise<SlowLink> {
  const state = { taken: 0, delayMs, target: port };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    state.taken += 1;
    const far = connect({ port: state.target, host: '127.0.0.1', allowHalfOpen: true });
    join(near, far, state.delayMs);
    join(far, near, state.delayMs);
  });
  return Object.assign(state, await listenOn(server));
}

function join(from: Socket, to: Socket, delayMs: number): void {
  const late = (what: () => void) => {
    if (delayMs === 0) what();
    else setTimeout(what, delayMs);
  };
  from.on('data', (bytes) => late(() => void to.write(bytes)));
  from.on('end', () => late(() => void to.end()));
  // What is being shut down cannot be reset any more (EINVAL of libuv), and has been given all that came.
  from.on('error', () => void (to.writableEnded ? to.destroy() : to.resetAndDestroy()));
  from.on('close', () => late(() => void to.destroy()));
}

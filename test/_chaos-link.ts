import { connect, createServer, type Socket } from 'node:net';
import { type Listening, listenOn } from './_cluster-upstream.ts';

/** A link to a server, which can be made to lose everything. */
export interface DroppableLink extends Listening {
  /** While set nothing passes, connections stay open, and new ones are taken and stay silent. */
  dropping: boolean;
}

/** Forwards connections to `port` on loopback. A server that refuses has its clients reset. */
export async function startLink(port: number): Promise<DroppableLink> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let dropping = false;
  const flow = (pair: readonly [Socket, Socket]) => {
    for (const socket of pair) {
      if (dropping) socket.pause();
      else socket.resume();
    }
  };
  const server = createServer({ pauseOnConnect: true }, (near) => {
    const far = connect(port, '127.0.0.1');
    const pair = [near, far] as const;
    pairs.add(pair);
    join(near, far, () => dropping);
    join(far, near, () => dropping);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    far.on('error', () => reset(near));
    near.on('error', () => reset(far));
    near.once('close', end);
    far.once('close', end);
    flow(pair);
  });
  const listening = await listenOn(server);
  return Object.defineProperty({ ...listening, dropping }, 'dropping', {
    get: () => dropping,
    set: (value: boolean) => {
      dropping = value;
      for (const pair of pairs) flow(pair);
    },
  });
}

/** Node cannot reset a socket that has said its end: such a one would never be closed, and keep the loop busy. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

function join(from: Socket, to: Socket, dropping: () => boolean): void {
  from.on('data', (bytes) => {
    if (!to.write(bytes)) from.pause();
  });
  to.on('drain', () => {
    if (!dropping()) from.resume();
  });
  from.on('end', () => to.end());
}

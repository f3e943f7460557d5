import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../_daemon.ts';
import type { LabHost } from '../lan/_lab.ts';

const INSIDE = fileURLToPath(new URL('_conformance-door.mjs', import.meta.url));

export interface Doors extends AsyncDisposable {
  /** The port of this machine's loopback that leads to this port inside. */
  readonly ports: ReadonlyMap<number, number>;
}

/**
 * Leads from loopback ports of this process's network to ports of a lab host's loopback, byte for byte and with
 * both ends' closing passed on: client libraries run in the test itself, while what they talk to is cut off from
 * every network.
 */
export async function openDoors(host: LabHost, inside: readonly number[]): Promise<Doors> {
  const folder = temporaryDirectory('doors');
  const agent = host.node([INSIDE, folder.path, ...inside.map(String)]);
  await agent.waitFor(/ready/);
  const sockets = new Set<Socket>();
  const servers = inside.map((port) =>
    createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const far = connect({ path: join(folder.path, `${port}.sock`), allowHalfOpen: true });
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(from);
        from.on('error', () => {}); // 'close' follows.
        from.on('close', () => {
          sockets.delete(from);
          to.destroySoon();
        });
        from.pipe(to);
      }
    }).listen(0, '127.0.0.1'),
  );
  await Promise.all(servers.map((server) => once(server, 'listening')));
  return {
    ports: new Map(inside.map((port, i) => [port, (servers[i]!.address() as AddressInfo).port])),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
      await agent[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

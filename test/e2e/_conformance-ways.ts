import { until } from '../_deadline.ts';
import { clientOn, serveOn } from '../lan/_fleet.ts';
import { createLab, type LabHost } from '../lan/_lab.ts';
import { openDoors } from './_conformance-door.ts';
import { type RealOllama, startRealOllama } from './_real-ollama.ts';

/** An address by which requests reach the one Ollama. */
export interface Way {
  readonly title: string;
  /** Stands for the way in names of its own; of one length, so that no Content-Length depends on it. */
  readonly word: string;
  /** For processes on the lab host. */
  readonly inside: string;
  /** For this process. */
  readonly url: string;
  /** The port of `url`. */
  readonly port: number;
}

export interface Ways extends AsyncDisposable {
  readonly host: LabHost;
  readonly ollama: RealOllama;
  readonly direct: Way;
  /** Through ollana, in both topologies. */
  readonly proxied: readonly Way[];
  /** Runs `leave`, which begins a long answer by `path` and goes away, and waits until Ollama has noted its end. */
  noticed(path: string, leave: () => Promise<unknown>): Promise<void>;
}

/** From a client's leaving to Ollama's noting that the request has ended; the answer begun would take three times as long. */
const NOTICED_MS = 5000;

const SERVE_PORT = 11500;
const DIRECT = { title: 'Ollama itself', word: 'one', port: 11434 };
export const PROXIED = [
  { title: 'client -> Ollama', word: 'two', port: 11501, server: DIRECT.port },
  { title: 'client -> serve -> Ollama', word: 'six', port: 11502, server: SERVE_PORT },
];

/**
 * One real Ollama with the model `smol`, on a lab host without any network, and ollana before it: a client, and a
 * client before server mode. This process reaches all of it through doors.
 */
export async function startWays(): Promise<Ways> {
  const parts: AsyncDisposable[] = [];
  const keep = <T extends AsyncDisposable>(part: T): T => {
    parts.unshift(part);
    return part;
  };
  const dispose = async () => {
    for (const part of parts.splice(0)) await part[Symbol.asyncDispose]();
  };
  try {
    const host = keep(await createLab({ hosts: ['box'] })).host('box');
    const ollama = keep(await startRealOllama(host));
    const quiet = ['--no-udp', '--no-mdns', '--log-level', 'warn'];
    keep(await serveOn(host, ['--port', String(SERVE_PORT), ...quiet]));
    for (const { port, server } of PROXIED) {
      const known = ['--no-local-fallback', '--server', `http://127.0.0.1:${server}=box`];
      keep(await clientOn(host, ['--port', String(port), ...known, ...quiet]));
    }
    const ports = [DIRECT, ...PROXIED].map(({ port }) => port);
    const doors = keep(await openDoors(host, ports));
    const wayOf = ({ title, word, port: inside }: typeof DIRECT): Way => {
      const port = doors.ports.get(inside) ?? 0;
      return { title, word, inside: `http://127.0.0.1:${inside}`, url: `http://127.0.0.1:${port}`, port };
    };
    return {
      host,
      ollama,
      direct: wayOf(DIRECT),
      proxied: PROXIED.map(wayOf),
      noticed: (path, leave) => noticed(host, ollama, path, leave),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function noticed(
  host: LabHost,
  { process }: RealOllama,
  path: string,
  leave: () => Promise<unknown>,
): Promise<void> {
  const lines = () => process.output.split('\n').filter((line) => line.includes('[GIN]'));
  const ended = () => lines().filter((line) => line.includes(`"${path}"`)).length;
  // Ollama notes a request after it has answered: once it has noted this one, those before are noted too.
  const mark = `/api/version?ts=${lines().length}`;
  await host.http(`http://127.0.0.1:${DIRECT.port}${mark}`);
  await until(NOTICED_MS, 'the note of an earlier request', () =>
    lines().some((line) => line.includes(mark)),
  );
  const before = ended();
  await leave();
  await until(NOTICED_MS, 'Ollama to end the request', () => ended() === before + 1);
}

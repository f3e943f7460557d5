import { createServer } from 'node:net';
import { UdpSocket } from '../../discovery/udp.ts';
import { reasonOf } from '../../errors.ts';
import { socketOwners } from '../../server/socket-owner.ts';
import { portHolder } from '../port-holder.ts';
import { plainText } from '../text.ts';
import type { PortFacts } from './ports.ts';

/** Every process is looked through for it; the user waits. */
const OWNER_LIMIT_MS = 500;

/** Opens a TCP port for a moment; a holder is asked who it is. Never rejects. */
export async function lookAtTcp(host: string, port: number): Promise<PortFacts> {
  const facts = { protocol: 'tcp', port, isOllana: false } as const;
  const error = await listenOnce(host, port);
  if (error === undefined) return { ...facts, state: 'free' };
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE')
    return { ...facts, state: 'refused', reason: reasonOf(error) };
  const holder = await portHolder(host, port);
  return {
    ...facts,
    state: 'taken',
    holder: holder?.replace(/^another /, ''),
    isOllana: holder?.startsWith('another ollana') ?? false,
  };
}

/** Opens a UDP port for a moment, shared with whoever shares it. Never rejects. */
export async function lookAtUdp(port: number): Promise<PortFacts> {
  const facts = { protocol: 'udp', port, isOllana: false } as const;
  const holder = await udpHolder(port);
  try {
    const quiet = { onDatagram: () => {}, onError: () => {} };
    const socket = await UdpSocket.open({ address: '0.0.0.0', port, ...quiet });
    await socket[Symbol.asyncDispose]();
    return { ...facts, state: 'shared', holder };
  } catch (error) {
    const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    return { ...facts, state: isTaken ? 'taken' : 'refused', holder, reason: reasonOf(error) };
  }
}

async function udpHolder(port: number): Promise<string | undefined> {
  const found: string[] = [];
  for await (const { pid, program } of socketOwners(port, AbortSignal.timeout(OWNER_LIMIT_MS), 'udp'))
    found.push(`${plainText(program)} (pid ${pid})`);
  return found.length === 0 ? undefined : found.join(', ');
}

/** The error of listening there, if there is one. */
function listenOnce(host: string, port: number): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

import { networkInterfaces } from 'node:os';
import type { Responder } from '@homebridge/ciao';
import makeMdns from 'multicast-dns';
import type { MdnsPlace } from './mdns-near.ts';
import { MDNS_PORT, type MdnsQuestion } from './mdns-records.ts';
import { type Remote, screenedSocket } from './udp.ts';

/** What arrived from where. */
export interface MdnsPacket {
  /** As the decoder made it of whatever was sent: of any shape. */
  readonly response: unknown;
  readonly address: string;
  readonly port: number;
}

export interface MdnsSocketOptions {
  readonly place: MdnsPlace;
  /** `MDNS_PORT`, but for tests. */
  readonly port: number;
  /**
   * Something arrived; with loopback of what others on this machine say. Calls `decode` if it is worth that, which
   * the library does without a look at size or sender. Must not throw.
   */
  readonly onBytes: (bytes: Buffer, from: Remote, decode: () => void) => void;
  /** A response that was decoded. Must not throw. */
  readonly onPacket: (packet: MdnsPacket) => void;
}

/** A socket that asks on one interface. Nothing here throws. */
export interface MdnsSocket extends AsyncDisposable {
  /** Resolves when the questions have left; with the error if they cannot. */
  ask(questions: readonly MdnsQuestion[]): Promise<unknown>;
}

const GROUP = { IPv4: '224.0.0.251', IPv6: 'ff02::fb' };
const ANYWHERE = { IPv4: '0.0.0.0', IPv6: '::' };

/**
 * Opens a socket that speaks on one interface and on no other. It hears what comes by the others, too: the system
 * gives every socket of the port all of its packets. Rejects with the system's error.
 */
export function openMdnsSocket({ place, port, onBytes, onPacket }: MdnsSocketOptions): Promise<MdnsSocket> {
  const { family, address } = place;
  const { socket, screen } = screenedSocket(family);
  const mdns = makeMdns({
    socket,
    type: family === 'IPv4' ? 'udp4' : 'udp6',
    ip: GROUP[family],
    port,
    interface: address,
    bind: ANYWHERE[family],
  });
  screen(onBytes);
  return new Promise((resolve, reject) => {
    let joined: boolean | undefined;
    let why: unknown = new Error(`no multicast on ${place.interface}`);
    const fail = (error: unknown) => {
      void close(mdns);
      reject(error);
    };
    // Before it is ready a warning means that it could not join the group or not choose the interface, and what it
    // sends would leave by any other. Closed at once it would throw where nobody catches. Later it is a packet that
    // cannot be read, or an error of the system.
    mdns.on('warning', (error) => {
      if (joined === undefined) why = error;
      joined ??= false;
    });
    mdns.on('error', (error) => {
      // Once it is open there is nothing to be done: what fails to be sent is told to whoever asked.
      if (!joined) fail(error);
      joined ??= false;
    });
    mdns.on('networkInterface', () => {
      joined ??= true;
    });
    mdns.on('response', (response: unknown, from) => {
      if (joined) onPacket({ response, address: from.address, port: from.port });
    });
    mdns.on('ready', () => {
      if (!joined) return fail(why);
      resolve({
        ask: (questions) =>
          new Promise((done) => {
            mdns.query({ questions: [...questions] } as makeMdns.QueryOutgoingPacket, (error) => done(error));
          }),
        [Symbol.asyncDispose]: () => close(mdns),
      });
    });
  });
}

function close(mdns: makeMdns.MulticastDNS): Promise<void> {
  mdns.removeAllListeners('response');
  return new Promise((resolve) => {
    try {
      mdns.destroy(() => resolve());
    } catch {
      // It was never open.
      resolve();
    }
  });
}

export interface MdnsPublication {
  /** First label of the instance, at most 63 bytes with room for ` (99)`; another is taken when it is somebody's. */
  readonly name: string;
  /** TCP port. */
  readonly port: number;
  /** Name of the host without `.local`; its own, so that no other responder of the machine defends it. */
  readonly host: string;
  readonly text: Readonly<Record<string, string>>;
  /** Interfaces with an IPv4 address to be found on, at least one; loopback is heard besides. */
  readonly interfaces: readonly string[];
  /** The only address that is told; absent: all of those interfaces, of both families. */
  readonly address?: string | undefined;
  /** Whether a packet that came from somebody by an interface may be looked at. Must not throw. */
  readonly accept: (bytes: Uint8Array, from: Remote, interfaceName: string) => boolean;
}

/** A service that is published. */
export interface MdnsPublished {
  /** Ends it. With a goodbye, when that has left; without, others go on to believe in it. Never rejects. */
  withdraw(goodbye: boolean): Promise<void>;
}

/** Type of ollana's service without what DNS adds to it: `_ollana._tcp`. */
const SERVICE_TYPE = 'ollana';

/**
 * Loads what publishing needs, which keeps the process from all else for up to 0.3 s: to be done before anybody is
 * told of a server. Never rejects; publishing would.
 */
export async function prepareMdns(): Promise<void> {
  await import('@homebridge/ciao').catch(() => {});
}

/**
 * Publishes an ollana server. Resolves when it answers on its interfaces; in the second after that it makes sure that
 * its name is nobody else's, and announces itself. Rejects when the system or the library does not let it.
 */
export async function publishMdns(publication: MdnsPublication): Promise<MdnsPublished> {
  const { name, port, host, text, interfaces, address, accept } = publication;
  // Without one the library would reject where nobody listens.
  if (!Object.values(networkInterfaces()).some((infos) => infos?.some(({ internal }) => internal)))
    throw new Error('this machine has no loopback interface');
  // When it is wanted: a client has no use for it, and it changes how errors are printed in the whole process.
  const { getResponder } = await import('@homebridge/ciao');
  // By IPv4 only, with the addresses of both: what it says by IPv6 is without addresses, and joins a group anywhere.
  // It would share one among all who ask for the same, and ending ours would end theirs: so nobody asks for the same.
  const options = { interface: [...interfaces], sharedBy: host };
  const responder = getResponder(options);
  const server = innerServer(responder);
  const handle = server.handleMessage.bind(server);
  // It would decode whatever arrives, 64 kB in half a second.
  server.handleMessage = (on, bytes, from, family) => {
    if (accept(bytes, from, on)) handle(on, bytes, from, family);
  };
  await Reflect.get(responder, 'promiseChain');
  const bound = [...server.getBoundInterfaceNames()];
  const unbound = interfaces.filter((one) => !bound.includes(one));
  if (unbound.length === interfaces.length) {
    await responder.shutdown();
    throw new Error(`cannot listen on UDP port ${MDNS_PORT} (${unbound.join(', ')})`);
  }
  // It would look for changes every 15 s and, surprised by one, reject where nobody listens. We look every second.
  server.getNetworkManager().shutdown();
  const service = responder.createService({
    name,
    type: SERVICE_TYPE,
    port,
    hostname: host,
    txt: { ...text },
    // It always takes loopback besides those that were named.
    restrictedAddresses: address === undefined ? [...interfaces] : [address],
  });
  service.on('name-change', () => {});
  service.advertise().catch(() => {});
  return {
    withdraw: async (goodbye) => {
      try {
        if (!goodbye) server.shutdown();
        await service.destroy();
      } catch {
        // The network went first.
      }
      await responder.shutdown().catch(() => {});
    },
  };
}

/** What of the library's inside is needed to keep it from harm. */
interface InnerServer {
  handleMessage(on: string, bytes: Buffer, from: Remote, family: string): void;
  getNetworkManager(): { shutdown(): void };
  getBoundInterfaceNames(): Iterable<string>;
  shutdown(): void;
}

function innerServer(responder: Responder): InnerServer {
  const server = Reflect.get(responder, 'server') as Partial<InnerServer> | undefined;
  const { handleMessage, getNetworkManager, getBoundInterfaceNames, shutdown } = server ?? {};
  if (handleMessage && getNetworkManager && getBoundInterfaceNames && shutdown) return server as InnerServer;
  void responder.shutdown();
  throw new Error('this version of @homebridge/ciao is not known to ollana');
}

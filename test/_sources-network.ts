import dnsPacket from 'dns-packet';
import { BeaconClient } from '../src/discovery/beacon-client.ts';
import { DnsSrv } from '../src/discovery/dns-srv.ts';
import { MdnsBrowser } from '../src/discovery/mdns-browser.ts';
import { decode, encodeAnnouncement, encodeGoodbye, encodeReply } from '../src/discovery/wire.ts';
import { deviceId, LOOPBACK, ManualClock, rawSocket } from './_beacon.ts';
import { a, nameServer, srv } from './_dns.ts';
import { flipsOf, noiseOf, prefixesOf } from './_hostile.ts';
import { peer, recordsOf, responseOf } from './_mdns.ts';
import { freePort } from './_ports.ts';
import { type Medium, nothing } from './_sources-medium.ts';

const ALL = '127.255.255.255';

/** A network segment on which a server announces itself by our own datagrams. */
export async function beacon(): Promise<Medium> {
  const port = await freePort();
  const clock = new ManualClock();
  const gpu = await rawSocket(port, { address: '0.0.0.0', reuseAddr: true });
  let id: string | undefined;
  const speaker = () => ({ httpPort: 11_500, deviceId: id ?? deviceId('f'), name: 'gpu1' });
  gpu.onMessage((hex, from) => {
    const datagram = decode(Buffer.from(hex, 'hex'));
    if (id !== undefined && datagram?.kind === 'query')
      void gpu.send(encodeReply(datagram.nonce, speaker()).toString('hex'), from.port, '127.0.0.1');
  });
  const say = (bytes: Buffer) => gpu.send(bytes.toString('hex'), port, ALL);
  return {
    clock,
    source: (onSighting, ownDeviceId) =>
      new BeaconClient({ port, httpPort: 11_435, interfaces: [LOOPBACK], clock, onSighting, ownDeviceId }),
    async appear(as) {
      id = as;
      await say(encodeAnnouncement(speaker()));
    },
    async vanish() {
      id = undefined;
    },
    async leave() {
      await say(encodeGoodbye(speaker()));
      id = undefined;
    },
    async lie() {
      const forged = encodeReply('0102030405060708', { ...speaker(), httpPort: 1 });
      const bye = encodeGoodbye({ ...speaker(), deviceId: deviceId('e') });
      for (const bytes of [forged, bye, ...flipsOf(bye), ...noiseOf(500, forged.subarray(0, 6))])
        await say(bytes);
    },
    [Symbol.asyncDispose]: () => gpu[Symbol.asyncDispose](),
  };
}

/** A network segment on which a server announces itself by multicast DNS. */
export async function mdns(): Promise<Medium> {
  const port = await freePort();
  const clock = new ManualClock();
  const gpu = await peer(port);
  const records = (id: string, ttl = 120) =>
    responseOf(recordsOf({ ttl, text: [`id=${id}`, 'name=gpu1', 'version=1.0.0'] }));
  return {
    clock,
    source: (onSighting, ownDeviceId) =>
      new MdnsBrowser({ port, interfaces: [LOOPBACK], clock, onSighting, ownDeviceId }),
    appear: (id) => gpu.send(records(id)),
    vanish: nothing,
    leave: () => gpu.send(records(deviceId('a'), 0)),
    async lie() {
      const far = responseOf(recordsOf({ label: 'far', addresses: ['8.8.8.8', '0.0.0.0', '224.0.0.1'] }));
      const question = dnsPacket.encode({
        type: 'query',
        questions: [{ type: 'PTR', name: '_ollana._tcp.local' }],
      });
      const lies = [far, question, ...prefixesOf(far), ...noiseOf(200, far.subarray(0, 12))];
      for (const bytes of lies) await gpu.send(bytes);
      await gpu.sendFromElsewhere(responseOf(recordsOf({ port: 1 })));
      // The socket takes so much a second.
      clock.advance(1000);
    },
    [Symbol.asyncDispose]: () => gpu[Symbol.asyncDispose](),
  };
}

const NAME = '_ollama._tcp.gpu.example';

/** A name server whose SRV records name the server. */
export async function dns(): Promise<Medium> {
  const clock = new ManualClock();
  const away = () => ({ code: 2 });
  const zone = await nameServer(() => ({}));
  return {
    clock,
    source: (onSighting) =>
      new DnsSrv({
        names: [`dns:${NAME}@127.0.0.1:${zone.port}`],
        httpPort: 11_435,
        clock,
        random: () => 0,
        onSighting,
      }),
    async appear() {
      zone.say = () => ({
        answers: [srv(NAME, 'gpu.example', 11_500, 0, 5)],
        additionals: [a('gpu.example', '127.0.0.1', 5)],
      });
      clock.advance(5000);
    },
    async vanish() {
      zone.say = away;
    },
    async leave() {
      zone.say = () => ({});
      clock.advance(5000);
    },
    async lie() {
      for (const liar of [() => Buffer.alloc(0), () => Buffer.alloc(600, 0xc0), away]) {
        const asked = zone.asked.length;
        zone.say = liar;
        for (let i = 0; i < 60 && zone.asked.length === asked; i++) {
          clock.advance(1000);
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    },
    [Symbol.asyncDispose]: () => zone[Symbol.asyncDispose](),
  };
}

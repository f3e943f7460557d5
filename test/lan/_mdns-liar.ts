/*
 * Says on mDNS what no honest machine says: `_mdns-liar.ts ADDRESS responses|questions`. Each is every prefix and bit
 * flip of a packet about ollana and 10 000 random ones that name it, from the port of mDNS. Prints `said COUNT`.
 */
import { createSocket } from 'node:dgram';
import dnsPacket from 'dns-packet';
import { flipsOf, noiseOf, prefixesOf } from '../_hostile.ts';
import { GROUP, recordsOf, responseOf } from '../_mdns.ts';

const [address = '', what] = process.argv.slice(2);
const packet =
  what === 'responses'
    ? responseOf(recordsOf({ label: 'liar', host: 'ollana-liar.local', addresses: [address] }))
    : dnsPacket.encode({ type: 'query', questions: [{ type: 'PTR', name: '_ollana._tcp.local' }] });
/** The header, some counts of records, and what makes a responder look. */
const head = Buffer.concat([
  packet.subarray(0, 4),
  Buffer.from([0, 1, 0, 1, 0, 1, 0, 1]),
  Buffer.from('\u0007_ollana\u0004_tcp'),
]);
const lies = [...prefixesOf(packet), ...flipsOf(packet), ...noiseOf(10_000, head)];
// A flipped bit of the flags makes a question of an answer, and the other way round.
const isKept = (bytes: Buffer) =>
  bytes.length < 4 || (bytes.readUInt8(2) & 0x80) === (packet.readUInt8(2) & 0x80);
const said = lies.filter(isKept);

const socket = createSocket({ type: 'udp4', reuseAddr: true });
await new Promise<void>((resolve) => socket.bind(5353, '0.0.0.0', resolve));
socket.addMembership(GROUP, address);
socket.setMulticastInterface(address);
for (const [i, bytes] of said.entries()) {
  await new Promise((resolve) => socket.send(bytes, 5353, GROUP, resolve));
  // As fast as a responder that looks at each of them keeps up with.
  if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 4));
}
console.log(`said ${said.length}`);
socket.close();

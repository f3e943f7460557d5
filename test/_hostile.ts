import { diceOf } from '../scripts/fleet/dice.ts';
import { type Clock, systemClock } from '../src/clock.ts';

/** Everything that a packet is before all of it has come. */
export const prefixesOf = (packet: Buffer): readonly Buffer[] =>
  Array.from(packet, (_, length) => packet.subarray(0, length));

/** The packet with each of its bits turned over. */
export const flipsOf = (packet: Buffer): readonly Buffer[] =>
  Array.from({ length: packet.length * 8 }, (_, bit) => {
    const bytes = Buffer.from(packet);
    bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return bytes;
  });

/** Random packets of up to 600 bytes, the same every time; three of four begin with `head`. */
export function noiseOf(count: number, head: Buffer, seed = 1): readonly Buffer[] {
  const random = diceOf(seed);
  return Array.from({ length: count }, (_, i) => {
    const bytes = Buffer.from(Array.from({ length: i % 600 }, () => Math.floor(random() * 256)));
    if (i % 4 !== 0 && bytes.length >= head.length) head.copy(bytes);
    return bytes;
  });
}

/** Makes every look at the time a second, so that no limit by the second hides what a test sends. */
export class HastyClock implements Clock {
  #now = 0;
  readonly wall = systemClock.wall;
  readonly after = systemClock.after;
  readonly every = systemClock.every;
  readonly now = (): number => (this.#now += 1000);
}

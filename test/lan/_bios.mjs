// Hears the packet that wakes a machine, as its network card does while it sleeps: one line for each on standard output,
// "woken by ADDRESS for MAC" or "other ADDRESS".
import { createSocket } from 'node:dgram';

createSocket('udp4')
  .on('message', (bytes, { address }) => {
    const mac = bytes.subarray(6, 12);
    const isMagic =
      bytes.length === 102 &&
      bytes.subarray(0, 6).every((byte) => byte === 0xff) &&
      Array.from({ length: 16 }, (_, i) => bytes.subarray(6 + 6 * i, 12 + 6 * i)).every((one) =>
        one.equals(mac),
      );
    const shown = mac.toString('hex').replace(/..(?!$)/g, '$&:');
    process.stdout.write(isMagic ? `woken by ${address} for ${shown}\n` : `other ${address}\n`);
  })
  .bind(9, () => process.stdout.write('asleep\n'));

// Runs inside a namespace: lets a process outside reach TCP ports in here through unix sockets, which are files and so
// know no namespaces.   node _conformance-door.mjs FOLDER PORT...   makes FOLDER/PORT.sock for each port.
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

const [folder, ...ports] = process.argv.slice(2);
let open = ports.length;
for (const port of ports) {
  createServer({ allowHalfOpen: true }, (outside) => {
    const inside = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    for (const [from, to] of [
      [outside, inside],
      [inside, outside],
    ]) {
      from.on('error', () => {}); // 'close' follows.
      from.on('close', () => to.destroySoon());
      from.pipe(to);
    }
  }).listen(join(folder, `${port}.sock`), () => {
    open -= 1;
    if (open === 0) process.stdout.write('ready\n');
  });
}
process.stdin.resume().on('end', () => process.exit(0));

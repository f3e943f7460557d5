// A hostile machine in a process of its own, with what time the others leave. Arguments: address that it comes from, URL.
// Attacks from a line on its standard input to the next; prints then what became of what it sent. Ends with its parent.
import { Agent, request } from 'node:http';
import net from 'node:net';
import { setPriority } from 'node:os';

const [localAddress, target] = process.argv.slice(2);
const { hostname: host, port } = new URL(target);

const SLOW_HEADERS = 1000;
const TICKETS = 10_000;
/** Spread over this, ms: the rest of a phase goes to those that wait. */
const TICKETS_MS = 5000;
const BODIES = 8;
const BODY_BYTES = 100_000_000;
/** A connection that is refused or cut is opened again after this, ms. */
const AGAIN_MS = 1000;

// It is another machine, whose work costs the ones that are measured nothing.
setPriority(19);
let phase;

class Phase {
  over = false;
  seen = {};
  #ends = new Set();
  #agent = new Agent({ keepAlive: true });

  constructor() {
    for (let i = 0; i < BODIES; i += 1) this.#body(i % 2 === 0);
    // Those that it gets now are what it can fill later.
    setTimeout(() => {
      for (let i = 0; i < SLOW_HEADERS; i += 1) this.#slowHeader();
    }, 300);
    let sent = 0;
    const startedAt = performance.now();
    this.#every(10, () => {
      const due = Math.min(TICKETS, ((performance.now() - startedAt) / TICKETS_MS) * TICKETS);
      for (; sent < due; sent += 1) this.#ticket();
    });
  }

  end() {
    this.over = true;
    for (const end of this.#ends) end();
    this.#agent.destroy();
    return this.seen;
  }

  #note(what) {
    this.seen[what] = (this.seen[what] ?? 0) + 1;
  }

  #every(ms, fn) {
    const timer = setInterval(fn, ms);
    const end = () => clearInterval(timer);
    this.#ends.add(end);
    return () => {
      end();
      this.#ends.delete(end);
    };
  }

  #slowHeader() {
    if (this.over) return;
    const socket = net.connect({ host, port, localAddress });
    const end = () => socket.destroy();
    this.#ends.add(end);
    let stop = () => {};
    socket.on('error', () => {}).resume();
    socket.once('connect', () => {
      this.#note('slow headers begun');
      socket.write('POST /api/chat HTTP/1.1\r\nHost: x\r\n');
      stop = this.#every(1000, () => socket.write('a: b\r\n'));
    });
    socket.once('close', () => {
      stop();
      this.#ends.delete(end);
      setTimeout(() => this.#slowHeader(), AGAIN_MS);
    });
  }

  #send(path, headers, name) {
    const sent = request({ host, port, localAddress, path, method: 'POST', agent: this.#agent, headers });
    const end = () => sent.destroy();
    this.#ends.add(end);
    sent.on('error', (error) => this.#note(`${name}: ${error.code}`));
    sent.on('response', (answer) => {
      this.#note(`${name}: ${answer.statusCode}`);
      answer.on('error', () => {}).resume();
    });
    sent.on('close', () => this.#ends.delete(end));
    return sent;
  }

  #ticket() {
    this.#send('/ollana/api/tickets', { 'content-type': 'application/json' }, 'ticket').end('{"model":"m"}');
  }

  #body(told) {
    if (this.over) return;
    const length = told ? { 'content-length': String(BODY_BYTES) } : {};
    const sent = this.#send('/api/chat', length, told ? 'body' : 'chunked body');
    const piece = Buffer.alloc(65_536, ' ');
    let left = BODY_BYTES;
    const more = () => {
      while (left > 0 && !sent.destroyed) {
        const part = piece.subarray(0, Math.min(piece.length, left));
        left -= part.length;
        if (!sent.write(part)) return;
      }
      sent.end();
    };
    sent.on('drain', more).on('close', () => setTimeout(() => this.#body(told), 100));
    more();
  }
}

process.stdin.on('data', () => {
  if (!phase) phase = new Phase();
  else {
    console.log(JSON.stringify(phase.end()));
    phase = undefined;
  }
});
process.stdin.on('close', () => process.exit());
process.on('SIGTERM', () => process.exit());
console.log('ready at http://hostile');

import type { Exchange } from './exchange.ts';
import { readBody } from './exchange.ts';
import { Refusal } from './refusal.ts';
import { empty } from './reply.ts';
import type { World } from './world.ts';

/** Digests only; a client that uploads for ever must not fill memory. */
const MAX_BLOBS = 10_000;
/** Go's server reads this much of a body nobody wanted before it closes the connection. */
const UNREAD_LIMIT_BYTES = 256 << 10;
/** Go's server lingers so that the client can read the answer before the reset. */
const LINGER_MS = 500;

/** The digests of uploaded blobs; their bytes are hashed and thrown away. */
export class BlobStore {
  readonly #digests = new Set<string>();

  has(digest: string): boolean {
    return this.#digests.has(digest);
  }

  add(digest: string): void {
    const [oldest] = this.#digests;
    if (this.#digests.size >= MAX_BLOBS && oldest !== undefined) this.#digests.delete(oldest);
    this.#digests.add(digest);
  }

  /** Forgets all but `used`, as Ollama does when it starts. */
  prune(used: ReadonlySet<string>): void {
    for (const digest of [...this.#digests]) if (!used.has(digest)) this.#digests.delete(digest);
  }
}

/** HEAD /api/blobs/:digest. */
export async function headBlob(world: World, exchange: Exchange): Promise<void> {
  empty(exchange, world.blobs.has(digestOf(exchange)) ? 200 : 404);
}

/** POST /api/blobs/:digest: hashes the body as it comes, in constant memory. */
export async function postBlob(world: World, exchange: Exchange): Promise<void> {
  const digest = digestOf(exchange);
  if (world.blobs.has(digest)) return answerUnread(world, exchange);
  await readBody(exchange, false);
  if (exchange.signal.aborted) return;
  const got = `sha256:${exchange.record.bodySha256}`;
  if (got !== digest) throw new Refusal(400, `digest mismatch, expected "${digest}", got "${got}"`);
  world.blobs.add(digest);
  empty(exchange, 201);
}

function digestOf(exchange: Exchange): string {
  const digest = exchange.path.slice('/api/blobs/'.length).replace(/^sha256-/, 'sha256:');
  if (!/^sha256:[0-9a-fA-F]{64}$/.test(digest)) throw new Refusal(400, 'invalid digest format');
  return digest.toLowerCase();
}

/** Answers 200 without waiting for the body: small ones are swallowed, large ones end the connection. */
async function answerUnread(world: World, exchange: Exchange): Promise<void> {
  const { req, record } = exchange;
  let tooMuch = Number(req.headers['content-length'] ?? 0) > UNREAD_LIMIT_BYTES;
  if (!tooMuch) {
    await readBody(exchange, false, () => {
      tooMuch = record.bodyBytes > UNREAD_LIMIT_BYTES;
      return !tooMuch;
    });
  }
  if (exchange.signal.aborted) return;
  if (!tooMuch) return empty(exchange, 200);
  const { socket } = req;
  // Past Node's own ending, which would drain the upload to its last byte.
  req.pause();
  record.answered = true;
  socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  world.clock.after(LINGER_MS, () => socket.destroy());
}

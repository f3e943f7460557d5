import { Agent, type IncomingMessage, request } from 'node:http';

/** What came back for one request. Times are milliseconds since it was sent. */
export interface Reply {
  readonly firstByteMs: number;
  readonly totalMs: number;
  readonly body: Buffer;
}

const LINE_END = 0x0a;

/** Sends chat requests over kept connections. Whatever is not 2xx, or breaks off, rejects and ends the run. */
export class Load implements Disposable {
  readonly #url: URL;
  readonly #agent = new Agent({ keepAlive: true, noDelay: true });

  constructor(url: string) {
    this.#url = new URL('/api/chat', url);
  }

  /** One request with its whole answer. */
  async ask(model: string, lines: number, stream: boolean): Promise<Reply> {
    const chunks: Buffer[] = [];
    let firstByteMs = Number.NaN;
    const startedAt = performance.now();
    await this.#chat(model, lines, stream, (chunk) => {
      if (chunks.length === 0) firstByteMs = performance.now() - startedAt;
      chunks.push(chunk);
    });
    return { firstByteMs, totalMs: performance.now() - startedAt, body: Buffer.concat(chunks) };
  }

  /** One streamed answer; resolves to the number of lines and of the pieces that they came in. */
  async count(model: string, lines: number): Promise<{ lines: number; pieces: number }> {
    const seen = { lines: 0, pieces: 0 };
    await this.#chat(model, lines, true, (chunk) => {
      seen.pieces += 1;
      for (let at = chunk.indexOf(LINE_END); at >= 0; at = chunk.indexOf(LINE_END, at + 1)) seen.lines += 1;
    });
    return seen;
  }

  /** One streamed answer; resolves to how long each line was under way, ms. See `ollama.child.mjs`. */
  async delays(model: string, lines: number): Promise<number[]> {
    const delays: number[] = [];
    let rest = '';
    await this.#chat(model, lines, true, (chunk) => {
      const nowUs = Number(process.hrtime.bigint() / 1000n);
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) delays.push((nowUs - sentUs(line)) / 1000);
    });
    return delays;
  }

  #chat(model: string, lines: number, stream: boolean, onChunk: (chunk: Buffer) => void): Promise<void> {
    const body = JSON.stringify({
      model,
      messages: [{ role: 'user', content: 'Why is the sky blue?' }],
      stream,
      options: { num_predict: lines },
    });
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    return new Promise((resolve, reject) => {
      const sent = request(this.#url, { method: 'POST', agent: this.#agent, headers }, (answer) => {
        if (answer.statusCode !== 200) return reject(this.#refused(answer));
        answer.on('data', onChunk).once('end', resolve).once('error', reject);
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }

  #refused(answer: IncomingMessage): Error {
    answer.resume();
    return new Error(`${this.#url} answered ${answer.statusCode}: figures of such a run would mean nothing`);
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** When a line was made: its `created_at`, which counts microseconds as if they were milliseconds. */
function sentUs(line: string): number {
  const { created_at: at } = JSON.parse(line) as { created_at: string };
  return Date.parse(at);
}

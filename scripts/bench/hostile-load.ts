import { Agent, request } from 'node:http';

const LINE_END = 0x0a;

/** Streams answers as another machine would, from an address of its own. */
export class PeerLoad implements Disposable {
  readonly #url: URL;
  readonly #agent: Agent;

  constructor(url: string, localAddress: string) {
    this.#url = new URL('/api/chat', url);
    this.#agent = new Agent({ keepAlive: true, noDelay: true, localAddress });
  }

  /** One streamed answer; resolves to the time from each line to the next, ms. Rejects unless it is whole. */
  gaps(model: string, lines: number): Promise<number[]> {
    const body = JSON.stringify({
      model,
      messages: [{ role: 'user', content: 'Why is the sky blue?' }],
      options: { num_predict: lines },
    });
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    return new Promise((resolve, reject) => {
      const sent = request(this.#url, { method: 'POST', agent: this.#agent, headers }, (answer) => {
        if (answer.statusCode !== 200) return reject(new Error(`${this.#url} answered ${answer.statusCode}`));
        const gaps: number[] = [];
        let last: number | undefined;
        answer.on('data', (chunk: Buffer) => {
          const now = performance.now();
          for (let at = chunk.indexOf(LINE_END); at >= 0; at = chunk.indexOf(LINE_END, at + 1)) {
            if (last !== undefined) gaps.push(now - last);
            last = now;
          }
        });
        answer.once('error', reject);
        // The last line comes at once after the last token.
        answer.once('end', () =>
          gaps.length === lines ? resolve(gaps.slice(0, -1)) : reject(new Error(`${gaps.length + 1} lines`)),
        );
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

import type { ClientRequest } from 'node:http';
import { OllanaError, reasonOf } from '../errors.ts';
import type { ModelPart } from '../ollama/manifest.ts';
import { answerTo, type StreamOptions, streamRequest, wordsOf } from './stream-request.ts';

/** Whether an Ollama has a file already. Rejects with OLLANA_UPSTREAM_FAILED. */
export async function hasBlob(ollama: string, digest: string, options: StreamOptions): Promise<boolean> {
  const request = streamRequest(`${ollama}/api/blobs/${digest}`, 'HEAD', {}, options);
  try {
    const answered = answerTo(request);
    request.end();
    return (await answered).statusCode === 200;
  } finally {
    request.destroy();
  }
}

/**
 * A file on its way into an Ollama, which takes it as fast as it writes it and hashes it itself; what was not ended
 * leaves nothing there.
 */
export class BlobUpload implements Disposable {
  readonly #request: ClientRequest;
  readonly #taken: Promise<void>;
  #failure: OllanaError | undefined;
  #wake: () => void = () => {};

  constructor(ollama: string, { digest, size }: ModelPart, options: StreamOptions) {
    this.#request = streamRequest(
      `${ollama}/api/blobs/${digest}`,
      'POST',
      { 'content-type': 'application/octet-stream', 'content-length': String(size) },
      options,
    );
    this.#taken = this.#answer();
    // Told to whoever writes, or ends it.
    this.#taken.catch(() => {});
    this.#request.on('drain', () => this.#wake());
  }

  /** Resolves when more may be written. Rejects with why Ollama takes no more: OLLANA_DISK_FULL (507) or another. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#request.write(chunk)) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (this.#failure) throw this.#failure;
  }

  /** Resolves when Ollama has the file, and has verified it. Rejects as `write`. */
  end(): Promise<void> {
    this.#request.end();
    return this.#taken;
  }

  async #answer(): Promise<void> {
    try {
      const answer = await answerTo(this.#request);
      const { statusCode = 0 } = answer;
      // 200: somebody else has brought it meanwhile, and it need not be ended.
      if (statusCode !== 200 && statusCode !== 201) throw refusal(await wordsOf(answer));
      answer.resume();
    } catch (error) {
      this.#failure = error instanceof OllanaError ? error : refusal(reasonOf(error));
      this.#wake();
      throw this.#failure;
    }
  }

  [Symbol.dispose](): void {
    this.#request.destroy();
  }
}

/** What systems and Ollama say of a full disk. */
const FULL = /no space left|not enough space|disk quota exceeded|ENOSPC/i;

function refusal(words: string): OllanaError {
  return FULL.test(words)
    ? new OllanaError(
        'OLLANA_DISK_FULL',
        `the disk is full where Ollama keeps its models (${words}): remove a model with \`ollana rm MODEL\``,
        { status: 507 },
      )
    : new OllanaError('OLLANA_UPSTREAM_FAILED', `Ollama does not take the file: ${words}`);
}

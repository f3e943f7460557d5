import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A child that has not ended this long after SIGTERM is killed, ms. */
const END_MS = 5000;

/** A Node process of the benchmark's own; ends with the benchmark, however that ends. */
export class Child implements AsyncDisposable {
  readonly pid: number;
  readonly #process: ChildProcess;
  #printed = '';

  /** Throws when Node cannot be started. stderr is shown as it comes. */
  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const child = spawn(process.execPath, ['--no-deprecation', ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    if (child.pid === undefined) throw new Error(`cannot start node ${args.join(' ')}`);
    this.pid = child.pid;
    this.#process = child;
    child.stdout?.on('data', (text: Buffer) => {
      this.#printed = (this.#printed + text).slice(-10_000);
    });
    const kill = () => void child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.removeListener('exit', kill));
  }

  get ended(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** The first URL that the child prints. */
  async url(): Promise<string> {
    for (let waited = 0; waited < 10_000 && !this.ended; waited += 20) {
      const url = /http:\/\/\S+(?=\n)/.exec(this.#printed)?.[0];
      if (url !== undefined) return url;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const what = this.ended ? 'ended' : 'was silent';
    this.#process.kill('SIGKILL');
    throw new Error(`a child of the benchmark ${what} before it was ready`);
  }

  /** Tells the child a line. */
  say(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  /** Tells the child a line; the one that it prints next, within 10 s. */
  async ask(line: string): Promise<string> {
    const printed = new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('a child of the benchmark does not answer')), 10_000);
      this.#process.stdout?.once('data', (text: Buffer) => {
        clearTimeout(timer);
        resolve(String(text).trim());
      });
    });
    this.say(line);
    return printed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.ended) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), END_MS);
    await gone;
    clearTimeout(timer);
  }
}

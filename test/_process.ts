import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { within } from './_deadline.ts';

/** What is kept of a child's output: the newest part, far more than any test's child prints on purpose. */
const KEPT_CHARACTERS = 1_000_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A child process with its output kept, killed and reaped when it is disposed. */
export class TestProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  /** Resolves when the process is gone and its output is complete. */
  readonly exited: Promise<Exit>;
  stdout = '';
  stderr = '';
  /** Both streams in the order they were read. */
  output = '';
  readonly #name: string;
  readonly #listeners = new Set<() => void>();
  #gone = false;

  constructor(command: string, args: readonly string[], options: SpawnOptions = {}) {
    this.#name = [command, ...args].join(' ').slice(0, 200);
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    this.#read('stdout');
    this.#read('stderr');
    this.child.stdin?.on('error', () => {}); // The child may end without having read it.
    this.exited = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        this.#gone = true;
        for (const listener of this.#listeners) listener();
        resolve({ code, signal });
      };
      this.child.on('error', (error) => {
        this.stderr += `${error.message}\n`;
        this.output += `${error.message}\n`;
        if (this.child.pid === undefined) end(127, null);
      });
      this.child.on('close', end);
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.#name} was not started: ${this.stderr}`);
    return this.child.pid;
  }

  /** The first match of `pattern` in what the process has printed or prints within `ms` milliseconds. */
  async waitFor(pattern: RegExp, ms = 10_000): Promise<RegExpExecArray> {
    let listener = () => {};
    const found = new Promise<RegExpExecArray>((resolve, reject) => {
      listener = () => {
        const match = pattern.exec(this.output);
        if (match) resolve(match);
        else if (this.#gone) reject(new Error('it ended first'));
      };
      this.#listeners.add(listener);
      listener();
    });
    try {
      return await within(ms, `${pattern}`, found);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${this.#name}: ${reason}; it printed:\n${this.output.slice(-4000)}`);
    } finally {
      this.#listeners.delete(listener);
    }
  }

  /** Signals the process and waits for its end; after `ms` milliseconds it is killed and this rejects. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', ms = 10_000): Promise<Exit> {
    if (!this.#gone) this.child.kill(signal);
    try {
      return await within(ms, `end of ${this.#name} after ${signal}`, this.exited);
    } catch (error) {
      this.child.kill('SIGKILL');
      await this.exited;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
  }

  #read(stream: 'stdout' | 'stderr'): void {
    const source = this.child[stream];
    source?.setEncoding('utf8');
    source?.on('data', (text: string) => {
      this[stream] = (this[stream] + text).slice(-KEPT_CHARACTERS);
      this.output = (this.output + text).slice(-KEPT_CHARACTERS);
      for (const listener of this.#listeners) listener();
    });
  }
}

/** Runs a command to its end; never rejects for its exit code. */
export async function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { readonly input?: string; readonly timeoutMs?: number } = {},
): Promise<{ stdout: string; stderr: string; code: number | null }> {
  const { input, timeoutMs = 30_000, ...rest } = options;
  await using process = new TestProcess(command, args, rest);
  process.child.stdin?.end(input);
  const { code } = await within(timeoutMs, `end of ${command} ${args.join(' ')}`, process.exited);
  return { stdout: process.stdout, stderr: process.stderr, code };
}

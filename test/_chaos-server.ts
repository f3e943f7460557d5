import { fileURLToPath } from 'node:url';
import type { SimulatedModel } from '../src/simulate/models.ts';
import { type DroppableLink, startLink } from './_chaos-link.ts';
import type { Trouble } from './_chaos-schedule.ts';
import { type Daemon, startDaemon, temporaryDirectory } from './_daemon.ts';
import { freePort } from './_ports.ts';
import { TestProcess } from './_process.ts';

const SIMULATED = fileURLToPath(new URL('lan/_sim-main.mjs', import.meta.url));
const PARALLEL = 4;
/** A start takes a second, and many on a machine whose processors are all taken. */
const START_MS = 30_000;

/** What a server can do. */
export interface ChaosWorld {
  readonly models: readonly SimulatedModel[];
  readonly answer: string;
  /** Arguments and variables of server mode that it gets besides. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A GPU machine: an Ollama that is simulated and a server-mode ollana, each a process, behind a link. */
export class ChaosServer implements AsyncDisposable {
  readonly name: string;
  readonly link: DroppableLink;
  readonly #ports: { readonly serve: number; readonly ollama: number };
  readonly #folder = temporaryDirectory('chaos');
  readonly #world: ChaosWorld;
  #ollama: TestProcess | undefined;
  #serve: Daemon | undefined;
  #ending: Promise<void> = Promise.resolve();
  #over = false;

  private constructor(
    name: string,
    link: DroppableLink,
    ports: { readonly serve: number; readonly ollama: number },
    world: ChaosWorld,
  ) {
    this.name = name;
    this.link = link;
    this.#ports = ports;
    this.#world = world;
  }

  static async start(name: string, world: ChaosWorld): Promise<ChaosServer> {
    const ports = { serve: await freePort(), ollama: await freePort() };
    const server = new ChaosServer(name, await startLink(ports.serve), ports, world);
    await server.#startOllama();
    await server.#startServe();
    return server;
  }

  /** Of server mode itself, past the link. */
  get url(): string {
    return `http://127.0.0.1:${this.#ports.serve}`;
  }

  /** Server mode's process; undefined before its first start. */
  get serve(): Daemon | undefined {
    return this.#serve;
  }

  async begin(trouble: Trouble): Promise<void> {
    if (this.#over) return;
    switch (trouble.kind) {
      case 'kill':
        if (trouble.process === 'serve') await this.#serve?.[Symbol.asyncDispose]();
        else await this.#ollama?.[Symbol.asyncDispose]();
        return;
      case 'freeze':
        process.kill(this.#process(trouble.process).pid, 'SIGSTOP');
        return;
      case 'drop-link':
        this.link.dropping = true;
        return;
      case 'fault':
        return this.#setFault(trouble.fault);
    }
  }

  /** Puts right what `begin` did. */
  end(trouble: Trouble): Promise<void> {
    // A test that fails meanwhile disposes of this: what is being started then is to be waited for.
    this.#ending = this.#over ? Promise.resolve() : this.#end(trouble);
    return this.#ending;
  }

  async #end(trouble: Trouble): Promise<void> {
    switch (trouble.kind) {
      case 'kill':
        return trouble.process === 'serve' ? this.#startServe() : this.#startOllama();
      case 'freeze':
        process.kill(this.#process(trouble.process).pid, 'SIGCONT');
        return;
      case 'drop-link':
        this.link.dropping = false;
        return;
      case 'fault':
        // What fails though it answers probes is well again only when somebody has started it anew.
        await this.#setFault(null);
        await this.#serve?.[Symbol.asyncDispose]();
        return this.#startServe();
    }
  }

  #process(which: 'serve' | 'ollama'): TestProcess {
    const found = which === 'serve' ? this.#serve?.process : this.#ollama;
    if (!found) throw new Error(`${which} of ${this.name} is not running`);
    return found;
  }

  async #setFault(fault: { readonly kind: string } | null): Promise<void> {
    this.#process('ollama').child.stdin?.write(`${JSON.stringify(fault)}\n`);
  }

  async #startOllama(): Promise<void> {
    const { models, answer } = this.#world;
    const options = { port: this.#ports.ollama, numParallel: PARALLEL, models, answer };
    this.#ollama = new TestProcess(process.execPath, [SIMULATED, JSON.stringify(options)]);
    await this.#ollama.waitFor(/listening/, START_MS);
  }

  async #startServe(): Promise<void> {
    const { serve, ollama } = this.#ports;
    const network = ['--host', '127.0.0.1', '--port', String(serve), '--no-udp', '--no-mdns'];
    const gpu = ['--ollama', `http://127.0.0.1:${ollama}`, '--parallel', String(PARALLEL)];
    const own = ['--data-dir', this.#folder.path, '--name', this.name];
    const { args = [], env = {} } = this.#world;
    const all = ['serve', ...network, ...gpu, ...own, ...args];
    this.#serve = await startDaemon({ args: all, env, startMs: START_MS });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await this.#ending.catch(() => {}); // Whoever awaited it has been told.
    await this.#serve?.[Symbol.asyncDispose]();
    await this.#ollama?.[Symbol.asyncDispose]();
    await this.link[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../clock.ts';

/** What a machine is, as its system tells; null and empty: it does not. */
export interface MachineProbe {
  readonly cpuName: string | null;
  readonly gpuNames: readonly string[];
  readonly link: { readonly name: string; readonly mbps: number | null } | null;
  /** What programs could still have; only where Node does not tell it itself. */
  readonly availableBytes: number | null;
}

/** Windows takes some seconds for each answer on a cold start. */
const LIMIT_MS = 20_000;

/**
 * Runs in a thread of its own: the library starts a dozen tools, some while blocking. Not in a process: the single
 * executable is no Node that could be given a script. Memory of cards is not asked for: the library takes it from what
 * is mapped, and is wrong. Text, not a file, so that it is the same from source and compiled.
 */
const SCRIPT = `
const { parentPort, workerData } = require('node:worker_threads');
const si = require(workerData);
const ask = (what) => Promise.resolve(what()).catch(() => undefined);
Promise.all([ask(si.cpu), ask(si.graphics), ask(si.networkInterfaces), ask(si.mem)]).then(([cpu, gpus, nets, mem]) => {
  const net = (Array.isArray(nets) ? nets : []).find((one) => one.default);
  parentPort.postMessage(JSON.stringify({
    cpuName: cpu ? (cpu.manufacturer + ' ' + cpu.brand) : null,
    gpuNames: (gpus ? gpus.controllers : []).map(({ vendor, model }) => [vendor, model]),
    link: net ? { name: net.ifaceName || net.iface, mbps: net.speed } : null,
    availableBytes: mem ? mem.available : null,
  }));
});
`;

/**
 * Asks the system what this machine is, beside: takes about half a second of another thread. Resolves with undefined
 * when nothing came within 20 s, or `signal` aborts. Never rejects.
 */
export async function probeMachine(clock: Clock, signal: AbortSignal): Promise<MachineProbe | undefined> {
  if (signal.aborted) return undefined;
  const library = createRequire(import.meta.url).resolve('systeminformation');
  const quiet = { stdout: true, stderr: true, stdin: false };
  const worker = new Worker(SCRIPT, { eval: true, workerData: library, execArgv: [], ...quiet });
  worker.unref();
  let over = () => {};
  const text = await new Promise<unknown>((resolve) => {
    const end = () => resolve(undefined);
    const cancel = clock.after(LIMIT_MS, end);
    signal.addEventListener('abort', end, { once: true });
    over = () => {
      cancel();
      signal.removeEventListener('abort', end);
    };
    worker.once('message', resolve);
    worker.once('error', end);
    worker.once('exit', end);
  });
  over();
  await worker.terminate();
  return typeof text === 'string' ? readProbe(text) : undefined;
}

/** The answer of the thread, as far as it makes sense. Pure. */
export function readProbe(text: string): MachineProbe | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { cpuName, gpuNames, link, availableBytes } = (value ?? {}) as Record<string, unknown>;
  const { name, mbps } = (link ?? {}) as Record<string, unknown>;
  return {
    cpuName: words(cpuName),
    gpuNames: Array.isArray(gpuNames) ? gpuNames.flatMap(cardName).slice(0, 32) : [],
    // Down and virtual links have 0, -1 and the like.
    link: typeof name === 'string' ? { name, mbps: above(mbps) } : null,
    availableBytes: above(availableBytes),
  };
}

function cardName(value: unknown): string[] {
  const [vendor, model] = Array.isArray(value) ? value.map(words) : [];
  if (!model) return [];
  return [vendor && !model.includes(vendor) ? `${vendor} ${model}` : model];
}

function words(value: unknown): string | null {
  const plain = typeof value === 'string' ? value.replace(/\s+/g, ' ').trim() : '';
  return plain === '' ? null : plain;
}

function above(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : null;
}

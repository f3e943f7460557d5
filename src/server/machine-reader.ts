import { arch, availableParallelism, freemem, release, totalmem, type } from 'node:os';
import type { Cancel, Clock } from '../clock.ts';
import { VERSION } from '../config/version.ts';
import type { GpuCard, MachineFacts, Room } from '../fleet/machine-facts.ts';
import { type CpuTimes, cpuTimes, loadBetween } from './cpu-load.ts';
import type { GpuTool } from './gpu-tool.ts';
import { type MachineProbe, probeMachine } from './machine-probe.ts';
import type { ModelDisk } from './model-disk.ts';
import type { Environment } from './ollama-environment.ts';
import type { Parallel } from './ollama-limits.ts';

/** What moves is read this often, ms. */
const READ_EVERY_MS = 10_000;
/** How busy processors are shows between two readings: the second comes this long after the first, ms. */
const AGAIN_MS = 1000;
/** What hardly moves is asked for this long after the start, ms, which has better things to do ... */
const PROBE_AFTER_MS = 10_000;
/** ... and again after this: cards and links come and go. */
const PROBE_EVERY_MS = 3_600_000;
/** Where only the probe tells how much memory is left. */
const PROBE_EVERY_MAC_MS = 60_000;

/** Variables that say how Ollama runs; paths, proxies and keys are nobody's business. */
const TOLD = [
  'OLLAMA_NUM_PARALLEL',
  'OLLAMA_MAX_LOADED_MODELS',
  'OLLAMA_KEEP_ALIVE',
  'OLLAMA_CONTEXT_LENGTH',
  'OLLAMA_FLASH_ATTENTION',
  'OLLAMA_KV_CACHE_TYPE',
  'OLLAMA_MAX_QUEUE',
  'OLLAMA_LOAD_TIMEOUT',
  'OLLAMA_SCHED_SPREAD',
];

export interface MachineReaderOptions {
  readonly clock: Clock;
  readonly gpus: Pick<GpuTool, 'cards'>;
  readonly disk: Pick<ModelDisk, 'room'>;
  /** What is known of Ollama's settings now. */
  readonly parallel: () => Parallel;
  readonly environment: () => Environment | undefined;
}

/** Reads what this machine is and how it does, beside everything else, every 10 s until disposed. */
export class MachineReader implements Disposable {
  readonly #options: MachineReaderOptions;
  readonly #over = new AbortController();
  #stops: readonly Cancel[] = [];
  #facts: MachineFacts | undefined;
  #probe: MachineProbe | undefined;
  #times: CpuTimes | undefined;
  #reading = false;
  /** Told when a reading has come in. */
  onRead: (facts: MachineFacts) => void = () => {};

  constructor(options: MachineReaderOptions) {
    this.#options = options;
  }

  /** Begins; the first reading comes at once. */
  start(): void {
    const { clock } = this.#options;
    const probe = () => void this.#look();
    const again = process.platform === 'darwin' ? PROBE_EVERY_MAC_MS : PROBE_EVERY_MS;
    this.#stops = [
      clock.after(AGAIN_MS, () => void this.#read()),
      clock.every(READ_EVERY_MS, () => void this.#read()),
      clock.after(PROBE_AFTER_MS, probe),
      clock.every(again, probe),
    ];
    void this.#read();
  }

  /** The last reading; undefined before the first. */
  facts(): MachineFacts | undefined {
    return this.#facts;
  }

  async #look(): Promise<void> {
    this.#probe = (await probeMachine(this.#options.clock, this.#over.signal)) ?? this.#probe;
    await this.#read();
  }

  async #read(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    const { clock, gpus, disk, parallel, environment } = this.#options;
    const [cards, room, times] = await Promise.all([gpus.cards(), disk.room(), cpuTimes()]);
    this.#reading = false;
    if (this.#over.signal.aborted) return;
    const { value, source } = parallel();
    const load = loadBetween(this.#times, times);
    this.#times = times;
    this.#facts = {
      atMs: Math.round(clock.wall()),
      ollana: VERSION,
      system: `${type()} ${release()} ${arch()}`,
      cpu: { name: this.#probe?.cpuName ?? null, cores: availableParallelism(), load },
      memory: memoryRoom(this.#probe),
      disk: room ?? null,
      gpus: cards.length > 0 ? cards : namedOnly(this.#probe?.gpuNames ?? []),
      link: this.#probe?.link ?? null,
      parallel: { value, source },
      settings: settingsIn(environment()),
    };
    this.onRead(this.#facts);
  }

  /** Ends what is under way; the last reading stays. */
  [Symbol.dispose](): void {
    this.#over.abort();
    for (const stop of this.#stops) stop();
  }
}

/** On a Mac most of what is not free can be had all the same, and Node does not count it. */
function memoryRoom(probe: MachineProbe | undefined): Room | null {
  const totalBytes = totalmem();
  if (process.platform !== 'darwin') return { totalBytes, freeBytes: freemem() };
  const free = probe?.availableBytes ?? null;
  return free === null ? null : { totalBytes, freeBytes: Math.min(free, totalBytes) };
}

/** Cards of which the system tells no more than that they are there. */
function namedOnly(names: readonly string[]): readonly GpuCard[] {
  const unknown = { totalBytes: null, freeBytes: null, load: null, temperatureC: null };
  return names.map((name) => ({ name, ...unknown, powerW: null, powerLimitW: null }));
}

/** What is set, where that can be read; else null. */
function settingsIn(environment: Environment | undefined): Readonly<Record<string, string>> | null {
  if (!environment) return null;
  const set = TOLD.flatMap((name): [string, string][] => {
    const value = environment.variables.get(name);
    return value === undefined || value === '' ? [] : [[name, value.slice(0, 100)]];
  });
  return Object.fromEntries(set);
}

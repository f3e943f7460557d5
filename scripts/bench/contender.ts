import type { BenchConfig } from './config.ts';

/** One way for a request to reach the simulated Ollama. */
export interface Contender extends AsyncDisposable {
  /** As in the table. */
  readonly name: ContenderName;
  readonly url: string;
  /** The processes between the load and the simulated Ollama, that of the first hop first. */
  readonly pids: readonly number[];
}

export type ContenderName = 'direct' | 'http-proxy' | 'ollana' | 'ollana, two hops';

/** Starts a contender in front of the simulated Ollama at `ollamaUrl`. Rejects when it is not ready in time. */
export type StartContender = (ollamaUrl: string, config: BenchConfig) => Promise<Contender>;

/** Node's arguments for a process that is to be profiled if the run is. */
export function profileArgs(config: BenchConfig, name: string): string[] {
  if (config.profile === undefined) return [];
  return ['--cpu-prof', '--cpu-prof-dir', config.profile, '--cpu-prof-name', `${name}.cpuprofile`];
}

import type { ModelLoad } from '../fleet/load.ts';
import type { Job, SeatResult } from '../routing/desk.ts';

/** What a load would push out of memory. */
export interface Victims {
  readonly keys: readonly string[];
  /** False: nobody knows yet whether it would, or fits beside them. */
  readonly sure: boolean;
}

/** What the admission has to know of the Ollama it stands before. Times are ms. */
export interface GpuFacts {
  /** Requests of a model that Ollama runs at once. */
  slots(model: string): number;
  /** What loading `model` would push out of `loaded`, where those that go first come first. */
  victims(model: string, loaded: readonly string[]): Victims;
  loadMs(model: string): number;
  /** Expected work of a job once its model is loaded, of the GPU alone. */
  workMs(job: Job): number;
  /** What has been learned of it, for those who choose. */
  speeds(
    model: string,
  ): Pick<ModelLoad, 'decodeMsPerToken' | 'prefillMsPerToken' | 'outputTokens' | 'loadMs'>;
  /** What a seat came to; `crowd` is how many models shared the GPU, `cold` that its model had to be loaded. */
  learn(model: string, result: SeatResult, crowd: number, cold: boolean): void;
}

import type { Job } from '../routing/desk.ts';
import type { Work } from './gpu-work.ts';

/** A request that has a seat. */
export interface Running extends Work {
  readonly job: Job;
  /** Its model has to be loaded for it. */
  cold: boolean;
  /** It has been sent: before that its seat may still be given back, and nothing is loaded. */
  used: boolean;
  /** When the load for it began, on the clock; undefined where none has. */
  loadSince: number | undefined;
  /** The first byte of its answer has come. */
  begun: boolean;
}

/** Everybody who has a seat. */
export class RunningRequests extends Set<Running> {
  /** A request of that job which has just been let in. */
  letIn(job: Job, cold: boolean, expectedMs: number): Running {
    const { model } = job;
    const work = { job, model, cold, expectedMs, startedAt: undefined, share: 0, crowd: 0 };
    const one = { ...work, used: false, loadSince: undefined, begun: false };
    this.add(one);
    return one;
  }

  of(model: string): Running[] {
    return [...this].filter((one) => one.model === model);
  }

  countOf(model: string): number {
    let count = 0;
    for (const one of this) if (one.model === model) count += 1;
    return count;
  }

  /** The one for whom the model is being loaded. */
  loader(model: string): Running | undefined {
    for (const one of this) if (one.model === model && one.cold && one.startedAt === undefined) return one;
    return undefined;
  }

  isBusy = (model: string): boolean => this.countOf(model) > 0;

  /** The first byte of an answer of that model has come. */
  isSeen = (model: string): boolean => {
    for (const one of this) if (one.model === model && one.begun) return true;
    return false;
  };
}

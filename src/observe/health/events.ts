import type { Problem } from './judge.ts';

/** What the health checks tell whoever observes the daemon. */
export interface HealthEvent {
  readonly type: 'problem-began' | 'problem-ended';
  readonly problem: Problem;
  /** Of the whole, after it. */
  readonly score: number;
}

import type { Usage } from '../../observe/usage-query.ts';
/** What requests add up to, as far as the page shows it. */
export type UsageRow = Omit<Usage, 'lastHourMs'>;

export interface UsageAnswer {
  readonly rows: readonly UsageRow[];
}

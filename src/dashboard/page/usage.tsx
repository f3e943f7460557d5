/** What requests add up to, as `/dashboard/api/usage` tells it. */
export interface UsageRow {
  readonly key: string;
  readonly requests: number;
  readonly failed: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly gpuSeconds: number;
  readonly meanLatencyMs: number;
  readonly energyWh: number | null;
}

export interface UsageAnswer {
  readonly rows: readonly UsageRow[];
}

/** What became of each request, in the order of their arrivals. Times are ms. */
export interface Outcome {
  readonly name: string;
  /** From asking until a GPU was at work for it; on a GPU that models share: what it took longer than alone. */
  readonly waits: readonly number[];
  /** From asking to the end of the answer. */
  readonly totals: readonly number[];
  /** Models brought into memory. */
  readonly loads: number;
  readonly effort?: Effort;
}

/** What choosing cost, per request. */
export interface Effort {
  /** The request and its answer are two of them. */
  readonly messages: number;
  /** Changes of load that servers told. */
  readonly told: number;
  /** Times that the servers were compared. */
  readonly decisions: number;
  readonly tickets: number;
  /** Seats that looked free and were taken. */
  readonly busy: number;
  /** The most messages that one request took. */
  readonly mostMessages: number;
}

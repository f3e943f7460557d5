/** What is watched of a process. */
export interface Sample {
  /** Since the start of the load, ms. */
  readonly atMs: number;
  /** Heap after a collection, and the buffers that its objects hold, MB (10^6 bytes). */
  readonly heapMb: number;
  /** Resident memory, MB. */
  readonly rssMb: number;
  /** Open files and sockets, idle connections among them. */
  readonly descriptors: number;
  /** Sockets alone. */
  readonly sockets: number;
  /** What keeps the event loop alive: timers, sockets in use. */
  readonly handles: number;
  /** How late timers were since the sample before, 99th percentile, ms. */
  readonly delayMs: number;
  /** Log files, MB. */
  readonly logMb: number;
}

export type Measure = Exclude<keyof Sample, 'atMs'>;

/** What a measure may grow by, from its second quarter to its last. */
interface Bound {
  readonly measure: Measure;
  readonly label: string;
  /** Share of the second quarter's mean, and as much beside it. */
  readonly share: number;
  readonly plus: number;
  /** No growth is judged, only the last value: for what is full when it is full. */
  readonly most?: number;
  readonly why: string;
}

/**
 * A leak of 1 kB a request is 40 MB in 40 000 requests; one connection forgotten in 800 requests is 50. Both are outside.
 */
const BOUNDS: readonly Bound[] = [
  {
    measure: 'heapMb',
    label: 'heap, MB',
    share: 0.05,
    plus: 3,
    why: 'requests under way when it was sampled',
  },
  { measure: 'rssMb', label: 'resident, MB', share: 0.1, plus: 12, why: 'what the allocators keep' },
  { measure: 'descriptors', label: 'open files', share: 0.2, plus: 16, why: 'requests under way' },
  { measure: 'sockets', label: 'of these sockets', share: 0.2, plus: 16, why: 'requests under way' },
  {
    measure: 'handles',
    label: 'handles',
    share: 0.2,
    plus: 24,
    why: 'requests under way, two or three each',
  },
  {
    measure: 'delayMs',
    label: 'loop delay p99, ms',
    share: 1,
    plus: 10,
    why: 'other programs of this machine',
  },
  {
    measure: 'logMb',
    label: 'log, MB',
    share: 0,
    plus: 0,
    // src/observe/rotating-file.ts
    most: 63,
    why: 'six files of 10 MiB',
  },
];

/** How one measure of one process went. */
export interface Judged {
  readonly label: string;
  /** Means of the quarters. */
  readonly quarters: readonly number[];
  readonly allowed: number;
  readonly flat: boolean;
  readonly why: string;
}

/** The fewest samples that are judged: two for each quarter. */
export const MIN_SAMPLES = 8;

/**
 * Compares each measure's mean of the second quarter of the samples with that of the last. The first quarter is left
 * out: tables fill, code is compiled. Fewer than `MIN_SAMPLES` samples show nothing, so they are not flat. Pure.
 */
export function judge(samples: readonly Sample[]): readonly Judged[] {
  const parts = [0, 1, 2, 3].map((i) =>
    samples.slice((i * samples.length) / 4, ((i + 1) * samples.length) / 4),
  );
  return BOUNDS.map(({ measure, label, share, plus, most, why }) => {
    const quarters = parts.map((part) => mean(part.map((sample) => sample[measure])));
    const [, second = Number.NaN, , last = Number.NaN] = quarters;
    const allowed = most ?? second * (1 + share) + plus;
    return { label, quarters, allowed, flat: samples.length >= MIN_SAMPLES && last <= allowed, why };
  });
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

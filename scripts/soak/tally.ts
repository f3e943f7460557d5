/** How requests ended, by kind. */
export interface Tally {
  readonly asked: number;
  /** All of the answer. */
  readonly whole: number;
  /** It had begun, and the client was told that it broke off. */
  readonly cut: number;
  /** Ollama itself ended its JSON in the middle; it is passed on as it came, and nobody takes it for an answer. */
  readonly halfJson: number;
  /** An error with its reason, in place of an answer. */
  readonly refused: number;
  /** The client went away by itself. */
  readonly left: number;
  /** It looks whole and is not; nothing at all, not even an error; no end within two minutes. */
  readonly falseEnd: number;
  readonly dropped: number;
  readonly hung: number;
}

export type Kind = Exclude<keyof Tally, 'asked'>;
export const KINDS: readonly Kind[] = [
  'whole',
  'cut',
  'halfJson',
  'refused',
  'left',
  'falseEnd',
  'dropped',
  'hung',
];

/**
 * What the daemon counted itself: the sum of `ollana_requests_total` in a text for Prometheus, but for its own paths,
 * which the soak asks, too. Pure.
 */
export function requestsTold(metrics: string): number {
  return [...metrics.matchAll(/^ollana_requests_total\{route="(?!ollana")[^\n]*\} (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

/**
 * What is wrong with how requests ended: untruthful ends, kinds that do not add up, and a daemon that counted less than
 * had an end here, or more than were asked. Who leaves may do so before the daemon has read the request. Pure.
 */
export function untruths(tally: Tally, told: number): readonly string[] {
  const ended = KINDS.reduce((sum, kind) => sum + tally[kind], 0);
  const { asked, left, falseEnd, dropped, hung } = tally;
  return [
    ...(falseEnd > 0 ? [`${falseEnd} answers looked whole and were not`] : []),
    ...(dropped > 0 ? [`${dropped} requests got neither an answer nor an error`] : []),
    ...(hung > 0 ? [`${hung} requests did not end`] : []),
    ...(ended === asked ? [] : [`${asked} were asked, and ${ended} ended`]),
    ...(told > asked || told < asked - left - hung ? [`ollana counted ${told} of ${asked}`] : []),
    ...(tally.whole === 0 ? ['no answer was whole'] : []),
  ];
}

/** One metric: its name and labels are what dashboards and alert rules are written against. */
export interface MetricRow {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
}

/** From what nobody notices to a large model that is loaded from a slow disk and writes a long answer, s. */
const SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const WAIT_SECONDS = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
/** Tokens a second: a CPU writes 5, a large GPU some hundreds; reading is ten to a hundred times as fast. */
const DECODE_RATES = [2, 5, 10, 20, 40, 80, 160, 320, 640];
const PREFILL_RATES = [20, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/** What only grows. `model` and `server` are empty where there is none, `other` beyond a bound. */
export const COUNTERS = Object.freeze({
  requests: {
    name: 'ollana_requests_total',
    help: 'Requests that have ended. outcome: completed, refused (for a reason of the client), failed, incomplete (broke off after it had begun), client-left, busy (another ollana was told that a slot is taken).',
    labels: ['route', 'model', 'server', 'outcome'],
  },
  retries: {
    name: 'ollana_retries_total',
    help: 'Attempts that were made because a server had failed or refused.',
    labels: [],
  },
  attempts: {
    name: 'ollana_attempts_total',
    help: 'Attempts at servers that have ended, of requests that name a model. end: answered, elsewhere, client-left, lost (another server was faster), again (repeated on a new connection), failed, unsplit.',
    labels: ['server', 'end'],
  },
  failures: {
    name: 'ollana_attempt_failures_total',
    help: 'Of those, the ones that count against a server. cause: dial (nobody answered), stream (the answer broke off), status (it said so).',
    labels: ['server', 'cause'],
  },
  promptTokens: {
    name: 'ollana_prompt_tokens_total',
    help: 'Tokens of prompts, as the answers tell; those that a prompt cache held are among them since Ollama 0.30.',
    labels: ['model', 'server'],
  },
  cachedTokens: {
    name: 'ollana_cached_prompt_tokens_total',
    help: 'Of the tokens of prompts those that a prompt cache held, where the answers tell it.',
    labels: ['model', 'server'],
  },
  outputTokens: {
    name: 'ollana_output_tokens_total',
    help: 'Tokens written, as the answers tell.',
    labels: ['model', 'server'],
  },
  promptSeconds: {
    name: 'ollana_prefill_seconds_total',
    help: 'Time spent on reading prompts, where the answers tell it.',
    labels: ['model', 'server'],
  },
  outputSeconds: {
    name: 'ollana_decode_seconds_total',
    help: 'Time spent on writing answers, where the answers tell it.',
    labels: ['model', 'server'],
  },
  answerBytes: {
    name: 'ollana_answer_bytes_total',
    help: 'Bytes of the bodies of answers that went to clients.',
    labels: [],
  },
  heldSeconds: {
    name: 'ollana_held_seconds_total',
    help: 'Time that requests waited for a server to appear or to recover.',
    labels: [],
  },
  tickets: {
    name: 'ollana_tickets_total',
    help: 'Places in queues. role: server (in the queue here), client (in the queues of others). step: opened, granted, refused, left, lost, claimed, lapsed (granted and not claimed), returned.',
    labels: ['role', 'step'],
  },
  verdictChanges: {
    name: 'ollana_verdict_changes_total',
    help: 'How often a server became reliable, unreliable or second-chance.',
    labels: ['server', 'verdict'],
  },
  datagrams: {
    name: 'ollana_discovery_datagrams_total',
    help: 'Datagrams of discovery. direction: in, out, dropped (not understood, or from elsewhere), refused (more than is taken in a second). Of mDNS only what was looked at and our own questions.',
    labels: ['protocol', 'direction'],
  },
  limits: {
    name: 'ollana_limits_reached_total',
    help: 'How often a bound was met and somebody turned away for it.',
    labels: ['limit'],
  },
} as const satisfies Record<string, MetricRow>);

/** How often something took how long. Of requests that run a model. */
export const HISTOGRAMS = Object.freeze({
  firstByte: {
    name: 'ollana_time_to_first_token_seconds',
    help: 'From the arrival of a request to the first byte of its answer, which in a streamed one is its first token.',
    labels: ['model', 'server'],
    buckets: SECONDS,
  },
  duration: {
    name: 'ollana_request_duration_seconds',
    help: 'From the arrival of a request to the end of its answer, of those that completed.',
    labels: ['model', 'server'],
    buckets: SECONDS,
  },
  queue: {
    name: 'ollana_queue_seconds',
    help: 'Time that a request had no server to be sent to: the wait for a slot, and for a server.',
    labels: ['model'],
    buckets: WAIT_SECONDS,
  },
  load: {
    name: 'ollana_load_seconds',
    help: 'Time that Ollama says it took to load the model, of requests that found it not in memory.',
    labels: ['model'],
    buckets: SECONDS,
  },
  decode: {
    name: 'ollana_decode_tokens_per_second',
    help: 'Speed at which an answer was written.',
    labels: ['model', 'server'],
    buckets: DECODE_RATES,
  },
  prefill: {
    name: 'ollana_prefill_tokens_per_second',
    help: 'Speed at which a prompt was read; far above the usual where a prompt cache held much of it.',
    labels: ['model'],
    buckets: PREFILL_RATES,
  },
} as const satisfies Record<string, MetricRow>);

/** How things are at the moment of the scrape. */
export const GAUGES = Object.freeze({
  servers: { name: 'ollana_servers', help: 'Servers known, by verdict.', labels: ['verdict'] },
  slots: {
    name: 'ollana_slots',
    help: 'Requests that all servers together run at once of a model that they have in memory, as far as they tell.',
    labels: ['model'],
  },
  active: {
    name: 'ollana_active_requests',
    help: 'Requests that run, of all clients, as far as the servers tell.',
    labels: ['model'],
  },
  queued: {
    name: 'ollana_queued_requests',
    help: 'Requests that wait for a slot, of all clients, as far as the servers tell.',
    labels: ['model'],
  },
  info: {
    name: 'ollana_info',
    help: 'Always 1; the version and mode are in the labels.',
    labels: ['version', 'mode'],
  },
} as const satisfies Record<string, MetricRow>);

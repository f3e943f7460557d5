/** An answer other than 2xx that a route of the simulated Ollama gives; the route's dialect shapes the body. */
export class Refusal extends Error {
  readonly status: number;
  /** Further fields beside `error`, as `/api/me` has. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(status: number, message: string, extra: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.extra = extra;
  }
}

/** What chat, generate, show and delete say of a model that is not there. */
export function noSuchModel(name: string): Refusal {
  return new Refusal(404, `model '${name}' not found`);
}

/** What the embedding routes say of it. */
export function noSuchModelTryPulling(name: string): Refusal {
  return new Refusal(404, `model "${name}" not found, try pulling it first`);
}

/** What the page's own orders are told apart by, in logs. */
const APP = 'ollana dashboard';

/** Why ollana, or a server behind it, did not do what was asked. */
export class Refused extends Error {
  readonly status: number;
  /** What the answer says beside its `error`. */
  readonly said: Readonly<Record<string, unknown>>;

  /** The server that said it, if one did. */
  readonly server: string | undefined;

  constructor(status: number, said: Readonly<Record<string, unknown>>, server?: string) {
    super(wordsIn(said) ?? `ollana answered ${status}`);
    this.status = status;
    this.said = said;
    this.server = server;
  }
}

export interface Order {
  readonly method: 'POST' | 'DELETE';
  readonly url: string;
  readonly body: object;
  /** The only server to do it. */
  readonly server?: string;
  /** An API key, where one is required. */
  readonly key?: string;
  /** Ends it, at the server too. */
  readonly signal?: AbortSignal;
}

/** Has something done; resolves with the answer when its head is there. Rejects with `Refused`, or an Error for people. */
export async function send({ method, url, body, server, key, signal }: Order): Promise<Response> {
  const headers = {
    'X-Ollana-App': APP,
    'Content-Type': 'application/json',
    ...(server !== undefined && { 'X-Ollana-Server': server }),
    ...(key && { Authorization: `Bearer ${key}` }),
  };
  const init = { method, headers, body: JSON.stringify(body), ...(signal && { signal }) };
  return answered(url, init);
}

/** Has something done; resolves with the JSON of the answer. Rejects as `send`. */
export async function sendJson<T>(method: Order['method'], url: string, body: object): Promise<T> {
  return (await send({ method, url, body })).json() as Promise<T>;
}

/** Asks once; rejects as `send`. */
export async function getJson<T>(url: string): Promise<T> {
  return (await answered(url, {})).json() as Promise<T>;
}

async function answered(url: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(url, init).catch((error: unknown) => {
    if (init.signal?.aborted) throw error;
    throw new Error('ollana does not answer: is it running? Type `ollana status`');
  });
  if (answer.ok) return answer;
  const said = (await answer.json().catch(() => ({}))) as Readonly<Record<string, unknown>> | null;
  throw new Refused(answer.status, said ?? {}, serverOf(answer));
}

/** Whose answer it is; undefined for ollana's own. */
export function serverOf({ headers }: Response): string | undefined {
  const name = headers.get('X-Ollana-Server');
  return name === null || name === '' || name === 'none' ? undefined : name;
}

function wordsIn({ error }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof error === 'string' && error !== '' ? error : undefined;
}

/** What to tell people of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

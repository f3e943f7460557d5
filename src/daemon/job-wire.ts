import type { ErrorCode } from '../errors.ts';
import { bad } from './small-json.ts';

/** The body of `POST /api/generate` that a job is run by. */
export type JobBody = Readonly<Record<string, unknown>> & {
  readonly model: string;
  readonly stream: boolean;
};

/**
 * Reads the body of `POST /jobs`: `{model, prompt, options?, stream? = true}`. Options stay Ollama's `options`, and so
 * do further members of a generation what they are. Throws OLLANA_BAD_REQUEST (400) naming the member. Pure.
 */
export function readJob(body: Readonly<Record<string, unknown>> | undefined): JobBody {
  if (!body) throw bad('the body is missing: send {"model": "llama3", "prompt": "Why is the sky blue?"}');
  const { model, prompt, options, stream, ...more } = body;
  if (typeof model !== 'string' || model === '') throw bad('model is missing: name one, such as "llama3"');
  if (typeof prompt !== 'string') throw bad('prompt is missing: it is text');
  // Absent and null are the same to the clients of the hub that others know.
  const isObject = typeof options === 'object' && !Array.isArray(options);
  if (options !== undefined && !isObject) throw bad('options is an object, such as {"temperature": 0.7}');
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean')
    throw bad('stream is true or false');
  return { ...more, model, prompt, ...(options && { options }), stream: stream ?? true };
}

/** What is known of a job that failed before a byte of its answer. */
export interface JobFailure {
  readonly jobId: string;
  readonly status: number;
  /** Of `X-Ollana-Error`; undefined where a server said it. */
  readonly code: string | undefined;
  /** The server that said it, if one did. */
  readonly server: string | undefined;
  /** The answer's body. */
  readonly text: string;
}

const NOBODY: ReadonlySet<string> = new Set<ErrorCode>(['OLLANA_NO_MODEL', 'OLLANA_NO_SERVER']);

/** The answer to a failed job, in the shapes of the hub that others know; `error` beside them says what to do. Pure. */
export function jobError({ jobId, status, code, server, text }: JobFailure): {
  readonly status: number;
  readonly body: object;
} {
  const { error = `HTTP status ${status}`, servers = [] } = errorIn(text);
  const none = 'No healthy nodes available for requested model';
  if (status === 404 || (code !== undefined && NOBODY.has(code)))
    return { status: 503, body: { detail: none, error, job_id: jobId } };
  // Who asked in a wrong way is told so; no other node would have taken it.
  if (status < 500) return { status, body: { detail: error, job_id: jobId } };
  const errors = servers.length > 0 ? servers : [{ name: server ?? null, error, status }];
  return {
    status: 503,
    body: {
      detail: {
        message: 'All candidate nodes failed to execute the job',
        errors: errors.map((one) => ({
          node_id: one.name,
          message: one.error ?? error,
          status: one.status ?? status,
        })),
        job_id: jobId,
      },
      error,
    },
  };
}

interface End {
  readonly name: string | null;
  readonly error?: string;
  readonly status?: number;
}

function errorIn(text: string): { readonly error?: string; readonly servers?: readonly End[] } {
  try {
    const { error, servers } = (JSON.parse(text) ?? {}) as { error?: unknown; servers?: unknown };
    return {
      ...(typeof error === 'string' && { error }),
      ...(Array.isArray(servers) && { servers: servers as readonly End[] }),
    };
  } catch {
    return {}; // Not JSON: the status has to do.
  }
}

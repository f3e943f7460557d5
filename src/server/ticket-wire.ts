import { modelKey } from '../ollama/names.ts';
import type { Job } from '../routing/desk.ts';

/** Where places in a server's queue are asked for: a POST that hangs until there is a seat. */
export const TICKETS_PATH = '/ollana/api/tickets';
/** Shows the seat that a ticket won. */
export const GRANT_HEADER = 'X-Ollana-Grant';
/** Asks to be refused rather than queued. */
export const IF_FREE_HEADER = 'X-Ollana-If-Free';
/** Who asks, for turns among devices. */
export const DEVICE_HEADER = 'X-Ollana-Device';

/** A ticket request is a few numbers and a name; more is not read. */
export const MAX_TICKET_BYTES = 4096;

/** A name of any model is shorter; a longer one is nobody's. */
const MAX_NAME = 512;
/** Any context is smaller; keeps sums finite whatever a peer claims. */
const MAX_TOKENS = 10_000_000;

/** The body of a ticket request. Pure. */
export function writeTicket(job: Job): string {
  const { model, promptTokens, maxOutputTokens, numCtx } = job;
  return JSON.stringify({ model, promptTokens: Math.round(promptTokens), maxOutputTokens, numCtx });
}

/** The job in a ticket request, as far as it is one; `device` is who sent it. Never throws. */
export function readTicket(body: Buffer, device: string): Job | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { model, promptTokens, maxOutputTokens, numCtx } = value as Record<string, unknown>;
  if (typeof model !== 'string' || model === '' || model.length > MAX_NAME) return undefined;
  return {
    model: modelKey(model),
    device,
    promptTokens: tokens(promptTokens) ?? 0,
    maxOutputTokens: tokens(maxOutputTokens),
    numCtx: tokens(numCtx),
  };
}

function tokens(value: unknown): number | undefined {
  if (typeof value !== 'number' || !(value >= 0)) return undefined;
  return Math.min(value, MAX_TOKENS);
}

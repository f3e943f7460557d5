import { Refusal } from './refusal.ts';

/** Ollama's default. */
export const DEFAULT_KEEP_ALIVE_MS = 300_000;

/** A negative keep_alive: Go's longest duration, 292 years. */
export const FOREVER_MS = 2 ** 63 / 1e6;

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Milliseconds that a request's `keep_alive` asks for: a number of seconds or a Go duration, negative for ever
 * (`FOREVER_MS`), undefined where the request has none. Refuses (400) what Ollama refuses.
 */
export function parseKeepAlive(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number') return value < 0 ? FOREVER_MS : Math.min(value * 1000, FOREVER_MS);
  if (typeof value !== 'string') throw new Refusal(400, `Unsupported type: '${typeof value}'`);
  const ms = goDuration(value);
  return ms < 0 ? FOREVER_MS : Math.min(ms, FOREVER_MS);
}

function goDuration(text: string): number {
  const [, sign, rest] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (rest === '0') return 0;
  if (!rest || !/^(\d+\.?\d*|\.\d+)/.test(rest)) throw new Refusal(400, `time: invalid duration "${text}"`);
  if (/^[\d.]+$/.test(rest)) throw new Refusal(400, `time: missing unit in duration "${text}"`);
  let ms = 0;
  let read = 0;
  for (const [part, amount, unit] of rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g)) {
    ms += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
    read += part.length;
  }
  if (read !== rest.length) throw new Refusal(400, `time: invalid duration "${text}"`);
  return sign === '-' ? -ms : ms;
}

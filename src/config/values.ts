/**
 * Readers of single option values. Each takes the text as typed (trimmed by the caller) and throws a RangeError
 * whose message says what would be right; the caller adds which option it was and where it came from.
 */
import { isIP } from 'node:net';
import { unbracketed } from './host.ts';

/** setTimeout holds 31 bits of milliseconds; anything longer fires at once. */
const LONGEST_MS = 2 ** 31 - 1;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, '': 1_000 };
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i;

/** A TCP or UDP port, `lowest` to 65535; for a listener 0 means any free one. */
export function parsePort(text: string, lowest: 0 | 1 = 1): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= lowest && port <= 65_535) return port;
  throw new RangeError(`give a whole number from ${lowest} to 65535`);
}

/** `2s`, `500ms`, `1m`, `1.5h`, or a bare number of seconds; returns whole milliseconds. */
export function parseDuration(text: string, lowestMs = 0): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|)$/.exec(text) ?? [];
  const ms = Math.round(Number(digits ?? Number.NaN) * (UNIT_MS[unit ?? ''] ?? Number.NaN));
  if (ms >= lowestMs && ms <= LONGEST_MS) return ms;
  const least = lowestMs > 0 ? `, at least ${lowestMs}ms` : '';
  throw new RangeError(`give a time such as 2s, 500ms or 1m${least}`);
}

/** Yes or no, as people write it in an environment file. */
export function parseSwitch(text: string): boolean {
  const word = text.toLowerCase();
  if (['1', 'true', 'yes', 'on'].includes(word)) return true;
  if (['0', 'false', 'no', 'off'].includes(word)) return false;
  throw new RangeError('give 1 or 0 (true, false, yes, no, on, off also do)');
}

/** An address or name to listen on, without port; IPv6 with or without brackets, returned without. */
export function parseHost(text: string): string {
  const bare = unbracketed(text);
  if (isIP(bare) !== 0) return bare;
  // Digits and dots only is an address mistyped, never a name.
  if (HOST_NAME.test(text) && !/^[\d.]+$/.test(text)) return text;
  throw new RangeError('give an address or host name without scheme or port, such as 127.0.0.1');
}

/** A network interface's name. Any printable text: Windows calls them "Ethernet 2". */
export function parseInterface(text: string): string {
  if (/^[^\p{C}/\\]{1,255}$/u.test(text)) return text;
  throw new RangeError('give the name of a network interface, such as eth0 or lo');
}

/** A display name for this machine: one printable line. 64 is also the most a Linux host name can have. */
export function parseName(text: string): string {
  if (/^[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u.test(text)) return text;
  throw new RangeError('give 1 to 64 printable characters');
}

/** A path, absolute or relative to where ollana was started; made absolute by the caller. */
export function parsePath(text: string): string {
  if (/^[^\0]+$/.test(text)) return text;
  throw new RangeError('give a path');
}

/** A command line for the system's shell. */
export function parseCommand(text: string): string {
  if (text !== '' && !text.includes('\0')) return text;
  throw new RangeError('give a command, such as "systemctl suspend"');
}

/** A browser origin to let in, as OLLAMA_ORIGINS has them: `*`, or a scheme and host with at most one `*`. */
export function parseOrigin(text: string): string {
  if (
    /^[^\s\p{C},]+$/u.test(text) &&
    (text.includes('*') || text.includes('://')) &&
    text.split('*').length <= 2
  )
    return text;
  throw new RangeError('give an origin such as http://my.app:3000, with at most one *');
}

/** The host of a registry as names of models begin with it, perhaps with a port; `http://` for one in the clear. */
export function parseRegistry(text: string): string {
  const [, scheme = '', host = '', port] =
    /^(http:\/\/|https:\/\/|)([^:/]+)(?::(\d+))?\/?$/i.exec(text) ?? [];
  if (!HOST_NAME.test(host))
    throw new RangeError('give the host of a registry, such as hf.co or registry.lan:5000');
  const at = port === undefined ? '' : `:${parsePort(port)}`;
  return `${scheme.toLowerCase() === 'http://' ? 'http://' : ''}${host.toLowerCase()}${at}`;
}

/** One of a few words. */
export function parseChoice<const T extends string>(choices: readonly T[]): (text: string) => T {
  return (text) => {
    const found = choices.find((choice) => choice === text.toLowerCase());
    if (found !== undefined) return found;
    throw new RangeError(
      choices.length === 1 ? `the only choice is ${choices[0]}` : `give one of ${choices.join(', ')}`,
    );
  };
}

/** A whole number within limits. */
export function parseCount(lowest: number, highest: number): (text: string) => number {
  return (text) => {
    const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (count >= lowest && count <= highest) return count;
    throw new RangeError(`give a whole number from ${lowest} to ${highest}`);
  };
}

/** The value is checked but kept as typed. */
export const asTyped =
  (check: (text: string) => unknown) =>
  (text: string): string => {
    check(text);
    return text;
  };

import { createHash } from 'node:crypto';
import { MODELS } from './config.ts';
import type { Contender } from './contender.ts';
import { Load } from './load.ts';

/** Lines of the streamed answer that is compared. */
const LINES = 500;

/** Rejects unless every contender answers with the same bytes as the first, times apart. */
export async function validate(contenders: readonly Contender[]): Promise<void> {
  let first: string | undefined;
  for (const { name, url } of contenders) {
    using load = new Load(url);
    const bodies = [
      (await load.ask(MODELS.fullSpeed.name, 1, false)).body,
      (await load.ask(MODELS.fullSpeed.name, LINES, true)).body,
    ];
    const hash = createHash('sha256').update(bodies.map(withoutTimes).join('\0')).digest('hex');
    first ??= hash;
    if (hash !== first) throw new Error(`${name} does not answer with the same bytes as the first contender`);
  }
}

/** An answer with the times in it, which differ at every request, blanked out. Pure. */
export function withoutTimes(body: Buffer): string {
  return body
    .toString('utf8')
    .replace(/"created_at":"[^"]*"/g, '"created_at":""')
    .replace(/_duration":\d+/g, '_duration":0');
}

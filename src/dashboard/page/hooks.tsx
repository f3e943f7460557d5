import { useEffect, useState } from 'preact/hooks';
import type { LoadView, ServerView } from '../view.ts';
import type { Known } from './stream.tsx';

/** A server with what runs there. */
export interface Shown {
  readonly server: ServerView;
  readonly load: LoadView | undefined;
}

/** The servers by name. */
export function serversIn(known: Known): readonly Shown[] {
  return Object.entries(known)
    .filter(([key]) => key.startsWith('server:'))
    .map(([key, value]) => {
      const load = known[`load:${key.slice('server:'.length)}`];
      return { server: value as unknown as ServerView, load };
    })
    .sort((a, b) => a.server.name.localeCompare(b.server.name));
}

/** What came of asking for JSON. */
export interface Asked<T> {
  readonly data: T | undefined;
  readonly error: string | undefined;
}

/** Asks for JSON at once, again whenever `mark` is another one, and every `everyMs`. */
export function useJson<T>(url: string, everyMs: number, mark?: unknown): Asked<T> {
  const [asked, setAsked] = useState<Asked<T>>({ data: undefined, error: undefined });
  useEffect(() => {
    const over = new AbortController();
    const ask = () =>
      readJson<T>(url, over.signal).then(
        (data) => setAsked({ data, error: undefined }),
        (error: unknown) => {
          if (!over.signal.aborted)
            setAsked((before) => ({ ...before, error: String((error as Error).message) }));
        },
      );
    void ask();
    const timer = setInterval(ask, everyMs);
    return () => {
      over.abort();
      clearInterval(timer);
    };
  }, [url, everyMs, mark]);
  return asked;
}

async function readJson<T>(url: string, signal: AbortSignal): Promise<T> {
  const answer = await fetch(url, { signal }).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new Error('ollana does not answer: is it running? Type `ollana status`');
  });
  const value = (await answer.json().catch(() => ({}))) as { error?: string | { message?: string } };
  if (answer.ok) return value as T;
  const said = typeof value.error === 'string' ? value.error : value.error?.message;
  throw new Error(said ?? `ollana answered ${answer.status}`);
}

import type { PullProgress } from '../ollama/pull-progress.ts';
import { byteText } from './byte-text.ts';
import { plainText } from './text.ts';

/** Less comes with one line of progress, and its speed says nothing, ms. */
const LEAST_MS = 1;

/** Where the bytes of a pull to the server `to` came from and how fast, a line for each source. Pure. */
export function comeLines(to: string, { sources }: PullProgress): readonly string[] {
  return [...sources].map(([from, { bytes, ms }]) => {
    const source = from === '' ? 'the internet' : `${plainText(from)} (LAN)`;
    const speed = `${byteText((bytes / Math.max(LEAST_MS, ms)) * 1000)}/s`;
    return `from ${source} to ${plainText(to)}: ${byteText(bytes)} at ${speed}`;
  });
}

/**
 * Where the next pull begins after these were cut short: Ollama keeps the beginning of a file that it fetches itself,
 * and takes one that is copied only whole. Pure.
 */
export function nextBegins(pulls: readonly PullProgress[]): string {
  const isCopied = pulls.some(({ sources }) => [...sources.keys()].some((from) => from !== ''));
  return isCopied
    ? 'files that were whole stay, and the next one begins with the file that was under way'
    : 'the next one goes on from where it was';
}

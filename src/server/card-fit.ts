import type { GpuCard } from '../fleet/machine-facts.ts';

/** A model as far as it takes room on a graphics card; bytes. */
export interface Tenant {
  readonly bytes: number;
  /** As `/api/ps` tells it; otherwise it is its file alone, which its context and what it computes with come on top of. */
  readonly isWhole: boolean;
}

/**
 * What a loaded model takes of a card beside its file, as a share of that. An 8B model of 4.9 GB, of 32 layers with
 * 8 heads of 128, keeps keys and values of 4096 tokens in 0.54 GB, and what it computes with comes on top. A long
 * context takes more: one that is loaded is counted with it, and a wrong yes is seen in the list, and learned from.
 */
const BESIDE_FILE = 0.25;
/** Ollama leaves this much of each card alone (457 MiB, `MinimumMemory` in ml/device.go), and drivers take some. */
const LEFT_ALONE = 500e6;

/**
 * Whether these models can be in the memory of these cards (bytes of each) together: 'no' where their files alone
 * are too much, 'yes' where they fit with all that comes on top of it and each on one card, which no other program
 * uses as far as anybody knows; between that nobody can tell. Pure.
 */
export function fitsCards(tenants: readonly Tenant[], cards: readonly number[]): 'yes' | 'no' | 'unknown' {
  if (cards.length === 0) return 'unknown';
  const most = cards.reduce((sum, bytes) => sum + bytes, 0);
  if (tenants.reduce((sum, { bytes }) => sum + bytes, 0) > most) return 'no';
  const free = cards.map((bytes) => bytes - LEFT_ALONE);
  const needs = tenants.map(({ bytes, isWhole }) => (isWhole ? bytes : bytes * (1 + BESIDE_FILE)));
  for (const need of needs.sort((a, b) => b - a)) {
    const roomiest = free.indexOf(Math.max(...free));
    free[roomiest] = (free[roomiest] ?? 0) - need;
    if ((free[roomiest] ?? 0) < 0) return 'unknown';
  }
  return 'yes';
}

/** Bytes of each card; empty where one does not tell, as then nobody knows what there is. Pure. */
export function cardBytes(cards: readonly GpuCard[]): readonly number[] {
  const bytes = cards.map(({ totalBytes }) => totalBytes);
  return bytes.every((one) => one !== null && one > 0) ? (bytes as readonly number[]) : [];
}

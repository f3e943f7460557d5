/** What the tools of the makers of graphics cards print. Pure. */
import type { GpuCard } from '../fleet/machine-facts.ts';

const MIB = 1024 * 1024;
/** No machine has more; a tool gone wild gets no further. */
const MAX_CARDS = 32;

/** What `nvidia-smi` is asked for, in the order of the columns. */
export const NVIDIA_ARGS: readonly string[] = [
  '--query-gpu=name,memory.total,memory.free,utilization.gpu,temperature.gpu,power.draw,power.limit',
  '--format=csv,noheader,nounits',
];

/** What `rocm-smi` is asked for. */
export const ROCM_ARGS: readonly string[] = [
  '--showproductname',
  '--showmeminfo',
  'vram',
  '--showuse',
  '--showtemp',
  '--showpower',
  '--json',
];

/** The cards in the text of `nvidia-smi` with `NVIDIA_ARGS`; `[N/A]` and the like are unknown. */
export function readNvidia(text: string): readonly GpuCard[] {
  const lines = text.split('\n').filter((line) => line.includes(','));
  return lines.slice(0, MAX_CARDS).map((line) => {
    const cells = line.split(',').map((cell) => cell.trim());
    // A name may hold a comma, so that numbers are counted from the end.
    const [total, free, load, temperature, power, limit] = cells.slice(-6).map(numberIn);
    return {
      name: wordsIn(cells.slice(0, -6).join(', ')),
      totalBytes: scaled(total, MIB),
      freeBytes: scaled(free, MIB),
      load: scaled(load, 0.01),
      temperatureC: temperature ?? null,
      powerW: power ?? null,
      powerLimitW: limit ?? null,
    };
  });
}

/** The cards in the text of `rocm-smi` with `ROCM_ARGS`, whose names of fields differ from version to version. */
export function readRocm(text: string): readonly GpuCard[] {
  let value: unknown;
  try {
    // Warnings may stand before it.
    value = JSON.parse(text.slice(text.indexOf('{')));
  } catch {
    return [];
  }
  if (typeof value !== 'object' || value === null) return [];
  const cards = Object.entries(value).filter(([key]) => /^card\d+$/.test(key));
  return cards.slice(0, MAX_CARDS).map(([, fields]) => rocmCard(fields));
}

function rocmCard(value: unknown): GpuCard {
  const fields = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const first = (...patterns: readonly RegExp[]): string | undefined => {
    for (const pattern of patterns) {
      const found = fields.find(([key, one]) => pattern.test(key) && wordsIn(String(one)) !== null);
      if (found) return String(found[1]);
    }
    return undefined;
  };
  const number = (...patterns: readonly RegExp[]) => numberIn(first(...patterns) ?? '');
  const total = number(/^VRAM Total Memory \(B\)$/i);
  const used = number(/^VRAM Total Used Memory \(B\)$/i);
  return {
    name: wordsIn(first(/^Card Series$/i, /^Device Name$/i, /^Card Model$/i) ?? ''),
    totalBytes: total ?? null,
    freeBytes: total === undefined || used === undefined ? null : Math.max(0, total - used),
    load: scaled(number(/^GPU use \(%\)$/i), 0.01),
    temperatureC: number(/^Temperature \(Sensor edge\)/i, /^Temperature \(Sensor junction\)/i) ?? null,
    powerW: number(/^(Average|Current Socket) Graphics Package Power \(W\)$/i) ?? null,
    powerLimitW: null,
  };
}

function scaled(value: number | undefined, factor: number): number | null {
  return value === undefined ? null : value * factor;
}

function numberIn(text: string): number | undefined {
  return /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : undefined;
}

/** A name as one line; null for what tools write where they do not know. */
function wordsIn(text: string): string | null {
  const plain = text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim();
  return plain === '' || /^(\[?n\/?a\]?|unknown|\[not supported\])$/i.test(plain)
    ? null
    : plain.slice(0, 100);
}

import type { ServerFacts } from '../fleet/pool.ts';
import type { Parallel } from './ollama-limits.ts';

/** What decides how many requests of one model run at once, beside Ollama's setting; from `/api/tags` or `/api/show`. */
export interface ModelKind {
  readonly family?: string | undefined;
  readonly families?: readonly string[] | undefined;
  /** Absent before Ollama 0.30. */
  readonly capabilities?: readonly string[] | undefined;
}

/**
 * Architectures whose runner has state that requests cannot share (Ollama's `sched.load`), with the variants that
 * come as suffixes: qwen3vlmoe, qwen35moe, lfm2moe, nemotron_h_moe. `qwen3next` and `mllama` have none.
 */
const ONE_AT_A_TIME = /^(mllama|qwen3next|qwen3vl.*|qwen35.*|lfm2.*|nemotron_h.*)$/i;
/** Architectures that only embed, for an Ollama that does not list capabilities. */
const EMBEDDING = /^((.+[-_])?bert([-_].+)?|xlm-?roberta|t5encoder|gemma-?embedding)$/i;

/**
 * How many requests Ollama runs at once for a model, given its general limit: that limit, but one for what cannot
 * complete a text (Ollama loads such models with one slot) and for a few architectures. At least 1. Pure.
 */
export function slotsOf(parallel: number, { family, families, capabilities }: ModelKind): number {
  const names = [family ?? '', ...(families ?? [])];
  const completes =
    capabilities === undefined || capabilities.length === 0 || capabilities.includes('completion');
  const alone = names.some((name) => ONE_AT_A_TIME.test(name) || EMBEDDING.test(name));
  return alone || !completes ? 1 : Math.max(1, Math.floor(parallel));
}

/** `slotsOf` where the general limit is known, or does not matter; else undefined. Pure. */
export function slotsIfKnown(parallel: Parallel | undefined, kind: ModelKind): number | undefined {
  if (parallel && parallel.source !== 'unknown') return slotsOf(parallel.value, kind);
  return slotsOf(2, kind) === 1 ? 1 : undefined;
}

/** What the list of a server says of a model; nothing of one that it does not list. Pure. */
export function kindOf(model: string, facts: ServerFacts | undefined): ModelKind {
  const raw = facts?.tags?.find(({ key }) => key === model)?.raw ?? {};
  const details = (typeof raw.details === 'object' && raw.details) || {};
  const { family, families } = details as Record<string, unknown>;
  return {
    family: typeof family === 'string' ? family : undefined,
    families: texts(families),
    capabilities: texts(raw.capabilities),
  };
}

function texts(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : undefined;
}

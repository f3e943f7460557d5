import { createHash } from 'node:crypto';
import { Refusal } from './refusal.ts';

/** A model that the simulated Ollama holds. Rates and times default to instant. */
export interface SimulatedModel {
  /** `llama3.2` or `llama3.2:3b`; `:latest` is added where there is no tag. */
  name: string;
  /** Bytes on disk and in memory; default 2 GB. */
  size?: number;
  /** Milliseconds to load; default 0. */
  loadMs?: number;
  /** Decode speed of one slot, tokens a second; default Infinity, as fast as the reader takes them. */
  tokensPerSecond?: number;
  /** Prefill speed, prompt tokens a second; default Infinity. */
  prefillPerSecond?: number;
  /** Default `llama`, or `bert` for embedding models. */
  family?: string;
  /** Embedding models refuse chat and run one request at a time, as Ollama's do. */
  embedding?: boolean;
  /** 64 hex digits, with or without `sha256:`; default the SHA-256 of the name. */
  digest?: string;
  /** Context used where a request sets no `num_ctx`; default 4096. */
  contextLength?: number;
}

/** A model as stored: nothing left open. */
export interface StoredModel {
  readonly name: string;
  readonly size: number;
  readonly loadMs: number;
  readonly tokensPerSecond: number;
  readonly prefillPerSecond: number;
  readonly family: string;
  readonly embedding: boolean;
  /** 64 hex digits, without prefix. */
  readonly digest: string;
  readonly contextLength: number;
  readonly modifiedAt: string;
}

/** Ollama's `details` object. */
export interface ModelDetails {
  readonly parent_model: string;
  readonly format: string;
  readonly family: string;
  readonly families: readonly string[];
  readonly parameter_size: string;
  readonly quantization_level: string;
}

/** A page or peer that may create models must not fill memory with names. */
const MAX_MODELS = 10_000;

/** The name under which two spellings are the same model: lower case, tag added, default registry removed. */
export function canonicalName(name: string): string {
  const short = name
    .trim()
    .toLowerCase()
    .replace(/^registry\.ollama\.ai\//, '')
    .replace(/^library\//, '');
  return short.lastIndexOf(':') > short.lastIndexOf('/') ? short : `${short}:latest`;
}

/** The `details` of a model; sizes are those of a 4-bit quantisation, about 0.6 bytes a parameter. */
export function detailsOf(model: StoredModel): ModelDetails {
  return {
    parent_model: '',
    format: 'gguf',
    family: model.family,
    families: [model.family],
    parameter_size: `${(model.size / 0.6e9).toFixed(1)}B`,
    quantization_level: 'Q4_K_M',
  };
}

/** What the simulated Ollama has on its disk. */
export class ModelStore {
  readonly #models = new Map<string, StoredModel>();
  readonly #stamp: () => string;

  constructor(models: readonly SimulatedModel[], stamp: () => string) {
    this.#stamp = stamp;
    for (const model of models) this.add(model);
  }

  /** Adds or replaces a model. */
  add(model: SimulatedModel): StoredModel {
    const key = canonicalName(model.name);
    if (this.#models.size >= MAX_MODELS && !this.#models.has(key)) {
      throw new Refusal(500, `no space left: the simulated Ollama holds ${MAX_MODELS} models`);
    }
    const colon = model.name.lastIndexOf(':') > model.name.lastIndexOf('/');
    const stored: StoredModel = {
      name: colon ? model.name : `${model.name}:latest`,
      size: model.size ?? 2e9,
      loadMs: model.loadMs ?? 0,
      tokensPerSecond: model.tokensPerSecond ?? Number.POSITIVE_INFINITY,
      prefillPerSecond: model.prefillPerSecond ?? Number.POSITIVE_INFINITY,
      family: model.family ?? (model.embedding ? 'bert' : 'llama'),
      embedding: model.embedding ?? false,
      digest: digestOf(model),
      contextLength: model.contextLength ?? 4096,
      modifiedAt: this.#stamp(),
    };
    this.#models.set(key, stored);
    return stored;
  }

  /** Copies a model under another name, sharing its digest; false where there is none. */
  copy(from: string, to: string): boolean {
    const model = this.find(from);
    if (model) this.add({ ...model, name: to });
    return model !== undefined;
  }

  /** True if it was there. */
  remove(name: string): boolean {
    return this.#models.delete(canonicalName(name));
  }

  find(name: string): StoredModel | undefined {
    return name === '' ? undefined : this.#models.get(canonicalName(name));
  }

  /** All models, the last modified first, as Ollama lists them. */
  list(): readonly StoredModel[] {
    return [...this.#models.values()].sort((a, b) => b.modifiedAt.localeCompare(a.modifiedAt));
  }
}

/** The digest a model gets when it is added: 64 hex digits. */
export function digestOf(model: SimulatedModel): string {
  return model.digest?.replace(/^sha256:/, '') ?? createHash('sha256').update(model.name).digest('hex');
}

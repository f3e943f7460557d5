import { OllanaError } from '../errors.ts';
import { parseJson } from './parse-json.ts';

/** A file that a model is made of. */
export interface ModelPart {
  /** `sha256:` and 64 hex digits in lower case. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly mediaType: string;
}

/** What a model is made of, as Ollama keeps it (manifest/manifest.go). */
export interface Manifest {
  readonly config: ModelPart;
  readonly layers: readonly ModelPart[];
}

/** A model has some ten parts, one that is stored by tensors some thousands, each named in 200 bytes. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_PARTS = 10_000;
/** The largest models are near 1 TB; sums stay exact. */
const MAX_PART_BYTES = 16e12;
const MAX_MEDIA_TYPE = 200;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Whether a text is a digest as manifests have it. Pure. */
export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/**
 * Reads a manifest that somebody sent. Throws OLLANA_UPSTREAM_FAILED, saying what is wrong, for one that is too large or
 * is none; of what else is in it nothing counts. Pure.
 */
export function readManifest(bytes: Buffer): Manifest {
  if (bytes.length > MAX_MANIFEST_BYTES) throw wrong(`it has more than ${MAX_MANIFEST_BYTES} bytes`);
  let value: unknown;
  try {
    value = parseJson(bytes.toString('utf8'));
  } catch {
    throw wrong('it is no JSON');
  }
  const { config, layers } = (value ?? {}) as Record<string, unknown>;
  if (!Array.isArray(layers) || layers.length === 0) throw wrong('it names no layers');
  if (layers.length > MAX_PARTS) throw wrong(`it names more than ${MAX_PARTS} layers`);
  const manifest = { config: readPart(config), layers: layers.map(readPart) };
  const sizes = new Map<string, number>();
  for (const { digest, size } of [manifest.config, ...manifest.layers]) {
    if ((sizes.get(digest) ?? size) !== size) throw wrong(`it gives ${digest} two sizes`);
    sizes.set(digest, size);
  }
  return manifest;
}

function readPart(value: unknown): ModelPart {
  const { digest, size, mediaType } = (value ?? {}) as Record<string, unknown>;
  if (typeof digest !== 'string' || !isDigest(digest)) throw wrong('a part of it has no SHA-256 digest');
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || size > MAX_PART_BYTES)
    throw wrong(`${digest} has no size`);
  if (typeof mediaType !== 'string' || mediaType.length > MAX_MEDIA_TYPE)
    throw wrong(`${digest} has no type`);
  return { digest, size, mediaType };
}

function wrong(what: string): OllanaError {
  return new OllanaError('OLLANA_UPSTREAM_FAILED', `its manifest is not usable: ${what}`);
}

/** The files of a model, each once, in their order. Pure. */
export function partsOf({ config, layers }: Manifest): readonly ModelPart[] {
  return [...new Map([...layers, config].map((part) => [part.digest, part])).values()];
}

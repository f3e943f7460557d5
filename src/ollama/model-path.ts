import { join } from 'node:path';
import { isDigest } from './manifest.ts';
import { DEFAULT_REGISTRY } from './names.ts';

/**
 * The parts of a name as Ollama allows them (types/model/name.go: isValidPart), but for a port in the host, which not
 * every file system takes. None begins with a dot or has a slash, so none leaves the folder.
 */
const HOST = /^[a-z0-9_][a-z0-9_.-]{0,349}$/i;
const NAMESPACE = /^[a-z0-9_][a-z0-9_-]{0,79}$/i;
const REST = /^[a-z0-9_][a-z0-9_.-]{0,79}$/i;

/**
 * Where the manifest of a model is, below the folder of an Ollama's models, the letters as they are spelled in `name`;
 * undefined for what is no name of a model that is kept in a file. Pure; never throws.
 */
export function manifestPath(name: string): readonly string[] | undefined {
  const parts = name.split('/');
  if (parts.length > 3) return undefined;
  const last = parts.pop() ?? '';
  const [model = '', tag = 'latest', ...more] = last.split(':');
  const namespace = parts.pop() ?? 'library';
  const host = parts.pop() ?? DEFAULT_REGISTRY;
  const isValid = HOST.test(host) && NAMESPACE.test(namespace) && REST.test(model) && REST.test(tag);
  return isValid && more.length === 0 ? ['manifests', host, namespace, model, tag] : undefined;
}

/** The file of a blob in the folder of an Ollama's models; undefined for what is no digest. Pure. */
export function blobFile(modelsDir: string, digest: string): string | undefined {
  return isDigest(digest) ? join(modelsDir, 'blobs', digest.replace(':', '-')) : undefined;
}

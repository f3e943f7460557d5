/**
 * Model names as Ollama matches them (types/model/name.go): `[host/][namespace/]model[:tag]`, missing parts
 * filled in, compared without regard to case.
 */

const DEFAULT_HOST = 'registry.ollama.ai';
const DEFAULT_NAMESPACE = 'library';
const DEFAULT_TAG = 'latest';

/**
 * The one key under which all spellings of a model name meet: `llama3`, `Llama3:latest` and
 * `library/llama3` give `registry.ollama.ai/library/llama3:latest`. Never throws; nonsense gives a key that
 * matches only the same nonsense.
 */
export function modelKey(name: string): string {
  const bare = name
    .trim()
    .replace(/^https?:\/\//i, '')
    .toLowerCase();
  const slash = bare.lastIndexOf('/');
  const colon = bare.indexOf(':', slash + 1);
  const tag = colon === -1 || colon === bare.length - 1 ? DEFAULT_TAG : bare.slice(colon + 1);
  const path = colon === -1 ? bare : bare.slice(0, colon);
  const parts = path.split('/');
  const model = parts.pop() ?? '';
  const namespace = parts.pop() ?? DEFAULT_NAMESPACE;
  const host = parts.length > 0 ? parts.join('/') : DEFAULT_HOST;
  return `${host}/${namespace}/${model}:${tag}`;
}

/**
 * Whether a name asks for a model that runs on ollama.com (internal/modelref): tag `cloud`, or a tag or bare
 * model name ending in `-cloud`. Such a request spends the account of the machine that forwards it.
 */
export function isCloudModel(name: string): boolean {
  return /[:-]cloud$/i.test(name.trim());
}

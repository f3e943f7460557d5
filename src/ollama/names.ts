/**
 * Model names as Ollama matches them (types/model/name.go): `[host/][namespace/]model[:tag]`, missing parts
 * filled in, compared without regard to case.
 */

/** Where Ollama gets a model whose name says nothing else. */
export const DEFAULT_REGISTRY = 'registry.ollama.ai';
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
  const host = parts.length > 0 ? parts.join('/') : DEFAULT_REGISTRY;
  return `${host}/${namespace}/${model}:${tag}`;
}

/** A `modelKey` as Ollama's own lists show the name: without the registry and the namespace that go without saying. Pure. */
export function shownModel(key: string): string {
  const usual = `${DEFAULT_REGISTRY}/${DEFAULT_NAMESPACE}/`;
  const short = key.startsWith(`${DEFAULT_REGISTRY}/`) ? key.slice(DEFAULT_REGISTRY.length + 1) : key;
  return key.startsWith(usual) ? key.slice(usual.length) : short;
}

/**
 * The registry that a name is of: `registry.ollama.ai` for `llama3`, `hf.co` for `hf.co/user/model`, and
 * `http://host:5000` where the name asks for it in the clear. Lower case. Pure; never throws.
 */
export function registryOf(name: string): string {
  const [, scheme] = /^(https?:)\/\//i.exec(name.trim()) ?? [];
  const key = modelKey(name);
  const host = key.slice(0, key.lastIndexOf('/', key.lastIndexOf('/') - 1));
  return scheme?.toLowerCase() === 'http:' ? `http://${host}` : host;
}

/**
 * Whether a name asks for a model that runs on ollama.com (internal/modelref): tag `cloud`, or a tag or bare
 * model name ending in `-cloud`. Such a request spends the account of the machine that forwards it.
 */
export function isCloudModel(name: string): boolean {
  return /[:-]cloud$/i.test(name.trim());
}

import { isIP } from 'node:net';
import { addressOf, isLoopbackHost } from './host.ts';
import { parseOllamaHost } from './ollama-host.ts';
import { OPTIONS } from './options.ts';
import { pickGiven, readValue, type Sources } from './pick.ts';

/** Where ollana itself listens. */
interface Face {
  readonly host: string;
  readonly port: number;
}

/**
 * Which Ollama is this machine's own. Users point their Ollama clients at ollana by OLLAMA_HOST, often for the
 * whole session: read here it would make ollana its own upstream, so such a value is not taken as the answer; `usual`
 * is then. Throws OLLANA_BAD_OPTION.
 */
export function resolveOllama(sources: Sources, face: Face, usual: string): string {
  const given = pickGiven(
    { ...OPTIONS.ollama, parse: (text) => notOwnFace(OPTIONS.ollama.parse(text), face) },
    sources,
  );
  if (given !== undefined) return given;
  const hosted = sources.env.OLLAMA_HOST?.trim();
  if (!hosted) return usual;
  const url = readValue({ flag: 'ollama', parse: parseOllamaHost }, { text: hosted, source: 'OLLAMA_HOST' });
  return isOwnFace(url, face) ? usual : url;
}

function notOwnFace(url: string, face: Face): string {
  if (isOwnFace(url, face)) throw new RangeError("that is ollana's own address; give Ollama's");
  return url;
}

function isOwnFace(url: string, { host, port }: Face): boolean {
  const { hostname: name, port: theirs, protocol } = addressOf(url);
  const samePort = Number(theirs || (protocol === 'https:' ? 443 : 80)) === port;
  return (
    samePort && (name === host || (isLoopbackHost(name) && (isLoopbackHost(host) || isEverywhere(host))))
  );
}

const isEverywhere = (name: string): boolean => isIP(name) !== 0 && /^[0:.]+$/.test(name);

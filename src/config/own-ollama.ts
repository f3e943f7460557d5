import { isIP } from 'node:net';
import { addressOf, isLoopbackHost } from './host.ts';
import { parseOllamaHost } from './ollama-host.ts';
import { OPTIONS } from './options.ts';
import { pickGiven, readValue, type Sources } from './pick.ts';

/** Ollama's own port. */
export const OLLAMA_PORT = 11_434;
/** Where an Ollama is that was moved aside, so that ollana can have its port. */
export const ASIDE_PORT = 11_433;

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
export function resolveOllama(sources: Sources, faces: readonly Face[], usual: string): string {
  const given = pickGiven(
    { ...OPTIONS.ollama, parse: (text) => notOwnFace(OPTIONS.ollama.parse(text), faces) },
    sources,
  );
  if (given !== undefined) return given;
  const hosted = sources.env.OLLAMA_HOST?.trim();
  if (!hosted) return usual;
  const url = readValue({ flag: 'ollama', parse: parseOllamaHost }, { text: hosted, source: 'OLLAMA_HOST' });
  return faces.some((face) => isOwnFace(url, face)) ? usual : url;
}

function notOwnFace(url: string, faces: readonly Face[]): string {
  if (faces.some((face) => isOwnFace(url, face)))
    throw new RangeError("that is ollana's own address; give Ollama's");
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

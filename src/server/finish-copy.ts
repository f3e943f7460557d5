import { createHash } from 'node:crypto';
import { OllanaError, reasonOf } from '../errors.ts';
import { fetchJson, fetchSmall } from '../ollama/client.ts';
import { readTags } from '../ollama/lists.ts';
import type { ModelPart } from '../ollama/manifest.ts';
import { modelKey } from '../ollama/names.ts';
import { parseJson } from '../ollama/parse-json.ts';
import type { CopyPlan } from './copy-model.ts';
import { readPart } from './copy-source.ts';
import type { ModelShelf } from './model-shelf.ts';
import type { StreamOptions } from './stream-request.ts';

export interface FinishOptions extends StreamOptions {
  /** Base URL of the Ollama that has got the files. */
  readonly ollama: string;
  readonly shelf: Pick<ModelShelf, 'add'>;
}

/** A template, a licence, parameters: what is longer is none. */
const MAX_TEXT_BYTES = 1024 * 1024;
/** Ollama reads the head of each file, and copies none, ms. */
const CREATE_LIMIT_MS = 10 * 60_000;
const LIST_LIMIT_MS = 30_000;

const TYPE = 'application/vnd.ollama.image.';

/**
 * Makes a model of files that are all in the own Ollama, without its registry: by the neighbour's manifest where the
 * folder of the models is ours to write, else by `POST /api/create`, of which Ollama writes a manifest of its own.
 * Resolves with whether the model has the digest that it has at the neighbour. Rejects with OLLANA_UPSTREAM_FAILED.
 */
export async function finishCopy(plan: CopyPlan, options: FinishOptions): Promise<boolean> {
  const { ollama, shelf } = options;
  const { from, bytes, manifest } = plan;
  const why = await shelf.add(from.model, bytes, [manifest.config, ...manifest.layers]);
  if (why !== undefined) await create(plan, options, why);
  const list = await fetchJson(`${ollama}/api/tags`, { ...options, timeoutMs: LIST_LIMIT_MS });
  const made = readTags(list).find(({ key }) => key === modelKey(from.model));
  if (made) return made.digest.replace(/^sha256:/, '') === from.digest.replace(/^sha256:/, '');
  throw new OllanaError('OLLANA_UPSTREAM_FAILED', `Ollama does not list ${from.model} after it was copied`);
}

async function create(plan: CopyPlan, options: FinishOptions, why: string): Promise<void> {
  const failed = (reason: string) =>
    new OllanaError(
      'OLLANA_UPSTREAM_FAILED',
      `its files are here, but it could not be made of them: ${reason} (and its manifest could not be written: ${why})`,
    );
  try {
    const body = Buffer.from(JSON.stringify(await createRequest(plan, options)));
    const { status, body: said } = await fetchSmall(`${options.ollama}/api/create`, {
      ...options,
      timeoutMs: CREATE_LIMIT_MS,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const { error } = (parseJson(said.toString('utf8')) ?? {}) as { error?: unknown };
    if (typeof error === 'string') throw new Error(error);
    if (status !== 200) throw new Error(`Ollama answered ${status}`);
  } catch (error) {
    throw failed(reasonOf(error));
  }
}

/** What asks Ollama for the model: its large files by digest, all else as it is written in the small ones. */
async function createRequest(
  { from, manifest }: CopyPlan,
  options: StreamOptions,
): Promise<Record<string, unknown>> {
  const read = async (part: ModelPart) => {
    if (part.size > MAX_TEXT_BYTES) throw new Error(`${part.digest} is over ${MAX_TEXT_BYTES} bytes`);
    const chunks: Buffer[] = [];
    for await (const chunk of readPart(from, part, 0, options)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` !== part.digest)
      throw new Error(`what ${from.name} sent as ${part.digest} is something else`);
    return bytes.toString('utf8');
  };
  const request: Record<string, unknown> = { model: from.model, stream: false };
  const files: Record<string, string> = {};
  const adapters: Record<string, string> = {};
  const license: string[] = [];
  for (const [i, part] of manifest.layers.entries()) {
    const kind = part.mediaType.startsWith(TYPE) ? part.mediaType.slice(TYPE.length) : undefined;
    if (kind === 'model' || kind === 'projector') files[`part-${i}.gguf`] = part.digest;
    else if (kind === 'adapter') adapters[`part-${i}.gguf`] = part.digest;
    else if (kind === 'license') license.push(await read(part));
    else if (kind === 'template' || kind === 'system') request[kind] = await read(part);
    else if (kind === 'params') request.parameters = parseJson(await read(part));
    else if (kind === 'messages') request.messages = parseJson(await read(part));
    else throw new Error(`a part of it is of the type ${part.mediaType}, which no create takes`);
  }
  const config = (parseJson(await read(manifest.config)) ?? {}) as Record<string, unknown>;
  for (const key of ['renderer', 'parser'])
    if (typeof config[key] === 'string' && config[key] !== '') request[key] = config[key];
  return {
    ...request,
    files,
    ...(Object.keys(adapters).length > 0 && { adapters }),
    ...(license.length > 0 && { license }),
  };
}

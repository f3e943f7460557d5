import type { Exchange } from './exchange.ts';
import { parseBody, textOf } from './fields.ts';
import { detailsOf, type StoredModel } from './models.ts';
import { noSuchModel, Refusal } from './refusal.ts';
import { json } from './reply.ts';
import type { World } from './world.ts';

/** GET /api/tags. */
export async function getTags(world: World, exchange: Exchange): Promise<void> {
  json(exchange, 200, {
    models: world.models.list().map((model) => ({
      name: model.name,
      model: model.name,
      modified_at: model.modifiedAt,
      size: model.size,
      digest: model.digest,
      details: detailsOf(model),
    })),
  });
}

/** A row of /api/ps. */
export interface LoadedModel {
  readonly name: string;
  readonly model: string;
  readonly size: number;
  readonly digest: string;
  readonly details: ReturnType<typeof detailsOf>;
  readonly expires_at: string;
  readonly size_vram: number;
  readonly context_length: number;
}

/** What is loaded, the last to expire first. */
export function loadedModels({ scheduler, memoryBytes }: Pick<World, 'scheduler' | 'memoryBytes'>) {
  return scheduler.loaded().map(
    ({ model, expiresAt, want }): LoadedModel => ({
      name: model.name,
      model: model.name,
      size: model.size,
      digest: model.digest,
      details: detailsOf(model),
      expires_at: new Date(expiresAt).toISOString(),
      // What does not fit in GPU memory runs on the CPU.
      size_vram: Math.min(model.size, memoryBytes),
      context_length: want.numCtx,
    }),
  );
}

/** GET /api/ps. */
export async function getPs(world: World, exchange: Exchange): Promise<void> {
  json(exchange, 200, { models: loadedModels(world) });
}

/** POST /api/show. */
export async function postShow(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body);
  const shown = textOf(request.model) || textOf(request.name);
  if (shown === '') throw new Refusal(400, 'model is required');
  const model = world.models.find(shown);
  if (!model) throw noSuchModel(shown);
  json(exchange, 200, {
    modelfile: `# Modelfile of a simulated model\nFROM ${model.name}\nTEMPLATE {{ .Prompt }}\n`,
    parameters: '',
    template: '{{ .Prompt }}',
    details: detailsOf(model),
    model_info: infoOf(model),
    capabilities: model.embedding ? ['embedding'] : ['completion'],
    modified_at: model.modifiedAt,
  });
}

function infoOf(model: StoredModel): object {
  return {
    'general.architecture': model.family,
    'general.parameter_count': Math.round(model.size / 0.6),
    [`${model.family}.context_length`]: model.contextLength,
    [`${model.family}.embedding_length`]: 384,
  };
}

/** GET /v1/models. */
export async function getV1Models(world: World, exchange: Exchange): Promise<void> {
  json(exchange, 200, { object: 'list', data: world.models.list().map(v1Model) });
}

/** GET /v1/models/:model. */
export async function getV1Model(world: World, exchange: Exchange): Promise<void> {
  const shown = decoded(exchange.path.slice('/v1/models/'.length));
  const model = world.models.find(shown);
  if (!model) throw noSuchModel(shown);
  json(exchange, 200, { ...v1Model(model), id: shown });
}

function v1Model(model: StoredModel) {
  const created = Math.floor(Date.parse(model.modifiedAt) / 1000);
  return { id: model.name, object: 'model', created, owned_by: 'library' };
}

/** Percent-decoding that takes a broken escape as it stands. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

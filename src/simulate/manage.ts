import type { Exchange } from './exchange.ts';
import { type Fields, fieldsOf, parseBody, textOf } from './fields.ts';
import { canonicalName, digestOf, type SimulatedModel, type StoredModel } from './models.ts';
import { noSuchModel, Refusal } from './refusal.ts';
import { empty, json } from './reply.ts';
import { type Frames, stream } from './stream.ts';
import type { World } from './world.ts';

/** Ollama reports the progress of a layer this often. */
const PROGRESS_MS = 60;
const PROGRESS_STEPS = 4;

/** POST /api/pull. */
export async function postPull(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body);
  const model = pullable(world, nameOf(request));
  if (!model) return finish(world, exchange, request, [], 'pull model manifest: file does not exist');
  const layer = `sha256:${digestOf(model)}`;
  const total = model.size ?? 2e9;
  const progress = Array.from({ length: PROGRESS_STEPS }, (_, i) => ({
    status: `pulling ${layer.slice(7, 19)}`,
    digest: layer,
    total,
    completed: Math.round((total * (i + 1)) / PROGRESS_STEPS),
  }));
  const lines = [
    { status: 'pulling manifest' },
    ...progress,
    { status: 'verifying sha256 digest' },
    { status: 'writing manifest' },
  ];
  await finish(world, exchange, request, lines, undefined, () => {
    world.models.add(model);
  });
}

/** POST /api/push. */
export async function postPush(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body);
  const model = world.models.find(nameOf(request));
  if (!model) return finish(world, exchange, request, [], 'file does not exist');
  const layer = `sha256:${model.digest}`;
  await finish(world, exchange, request, [
    { status: 'retrieving manifest' },
    { status: `pushing ${layer.slice(7, 19)}`, digest: layer, total: model.size, completed: model.size },
    { status: 'pushing manifest' },
  ]);
}

/** POST /api/create, from blobs uploaded before or from another model. */
export async function postCreate(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body);
  const name = nameOf(request);
  const files = Object.values(fieldsOf(request.files)).map(textOf);
  const from = textOf(request.from);
  if (name === '') throw new Refusal(400, 'invalid model name');
  if (files.length === 0 && from === '') throw new Refusal(400, "neither 'from' or 'files' was specified");
  const missing = files.find((digest) => !world.blobs.has(digest));
  if (missing !== undefined) throw new Refusal(400, `blob "${missing}" not found`);
  const base = from === '' ? undefined : (world.models.find(from) ?? pullable(world, from));
  if (from !== '' && !base) {
    return finish(world, exchange, request, [], 'pull model manifest: file does not exist');
  }
  const [file] = files;
  const lines = [
    ...files.map((digest) => ({ status: `using existing layer ${digest}` })),
    { status: 'writing manifest' },
  ];
  await finish(world, exchange, request, lines, undefined, () => {
    world.models.add({ ...base, name, ...(file === undefined ? {} : { digest: file }) });
  });
}

/** POST /api/copy. */
export async function postCopy(world: World, exchange: Exchange): Promise<void> {
  const request = parseBody(exchange.body);
  const source = textOf(request.source);
  const destination = textOf(request.destination);
  if (source === '') throw new Refusal(400, 'source "" is invalid');
  if (destination === '') throw new Refusal(400, 'destination "" is invalid');
  if (!world.models.copy(source, destination)) throw new Refusal(404, `model "${source}" not found`);
  empty(exchange, 200);
}

/** DELETE /api/delete, whose JSON body names the model. */
export async function deleteModel(world: World, exchange: Exchange): Promise<void> {
  const name = nameOf(parseBody(exchange.body));
  const model = world.models.find(name);
  if (!model) throw noSuchModel(name);
  removeModel(world, model);
  empty(exchange, 200);
}

/** Takes a model from the disk, and from memory as soon as nobody uses it. */
export function removeModel(world: Pick<World, 'models' | 'scheduler'>, model: StoredModel): void {
  world.models.remove(model.name);
  world.scheduler.expire(model);
}

/** POST /api/me: nobody is signed in. */
export async function postMe(): Promise<void> {
  throw new Refusal(401, 'unauthorized', {
    signin_url: 'https://ollama.com/connect?name=simulated&key=c2ltdWxhdGVk',
  });
}

/** Streams progress lines and `success`, or with `stream:false` gives the last line only. */
async function finish(
  world: World,
  exchange: Exchange,
  request: Fields,
  lines: readonly object[],
  error?: string,
  commit: () => void = () => {},
): Promise<void> {
  if (error !== undefined) throw new Refusal(500, error);
  const all = [...lines, { status: 'success' }];
  const last = all.length - 1;
  const frames: Frames = {
    type: 'application/x-ndjson',
    count: all.length,
    endsAt: last,
    dueMs: (i) => (i === 0 ? 0 : Math.min(i, PROGRESS_STEPS) * PROGRESS_MS),
    line: (i) => {
      // The success line is the only sign of a commit, so the model is there when it is read.
      if (i === last) commit();
      return `${JSON.stringify(all[i])}\n`;
    },
    failure: (message) => `${JSON.stringify({ error: message })}\n`,
  };
  if (request.stream !== false) return stream(exchange, frames, world.clock, world.faults);
  frames.line(last);
  json(exchange, 200, all[last]);
}

function nameOf(request: Fields): string {
  return textOf(request.model) || textOf(request.name);
}

function pullable(world: World, name: string): SimulatedModel | undefined {
  if (name === '') throw new Refusal(400, 'invalid model name');
  if (!world.registry) return world.models.find(name) ?? { name };
  return world.registry.find((model) => canonicalName(model.name) === canonicalName(name));
}

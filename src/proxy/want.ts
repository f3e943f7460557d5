import type { IncomingHttpHeaders } from 'node:http';
import type { BodyDecoder } from '../ollama/decode-body.ts';
import type { LongLook } from '../ollama/long-look.ts';
import { modelKey } from '../ollama/names.ts';
import { type Peeked, peek } from '../ollama/peek.ts';
import { pathOf, type Route } from '../ollama/routes.ts';
import { isUnload, isWorkless } from '../ollama/unload.ts';
import { type ScannedWork, scanWork } from '../ollama/work-scan.ts';
import { tagsIn } from './app-name.ts';

/** How much a request asks of a GPU. */
export type Work = ScannedWork;

/** What a request asks for, as far as choosing a server needs it. */
export interface Asked {
  /** The model as the client spelled it. */
  readonly model: string | undefined;
  readonly modelKey: string | undefined;
  /** There is more in the body than could be looked through: it may name another model than the one found. */
  readonly unread: boolean;
  /** It asks for its model to be unloaded. */
  readonly unloads: boolean;
  /** A model is to work for it; false for a load or an unload alone, and for whatever manages models. */
  readonly isUse: boolean;
  /** The model that a copy or a create starts from. */
  readonly source: string | undefined;
  /** `metadata.tags`, by which some apps name themselves. */
  readonly tags: readonly string[];
  /** How much it asks of a GPU; undefined for what is not run by a model. Looked for when first asked. */
  readonly work: () => Work | undefined;
}

export interface AskInput {
  readonly route: Route;
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** `body` is only the beginning. */
  readonly partly: boolean;
  readonly decoder: BodyDecoder;
  readonly aside: LongLook;
  /** Address of whoever asks. */
  readonly peer?: string | undefined;
}

/**
 * Reads what a request asks for out of its body (a form for transcriptions, JSON otherwise, compressed or not),
 * or out of the path of `/v1/models/:model`. What cannot be read is left to the server to complain of. Never
 * rejects.
 */
export async function askedFor(input: AskInput): Promise<Asked> {
  const { route, target, headers, body, partly, decoder, aside, peer } = input;
  const peeked = await peek(headers, body, decoder, peer, aside);
  const model = route.path === '/v1/models/' ? lastPart(target) : peeked.model;
  let work: Work | undefined;
  const unloads = isUnload(pathOf(target), peeked);
  return {
    model,
    modelKey: model === undefined ? undefined : modelKey(model),
    unread: peeked.unread || partly,
    unloads,
    isUse: route.class === 'inference' && !isWorkless(pathOf(target), peeked),
    source: textOf(peeked, 'source') ?? textOf(peeked, 'from'),
    tags: tagsIn(peeked.fields.get('metadata')),
    work: () => {
      if (route.class === 'inference' && !unloads) work ??= peeked.work ?? scanWork(peeked.plain);
      return work;
    },
  };
}

function textOf({ fields }: Peeked, field: string): string | undefined {
  const value = fields.get(field);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function lastPart(target: string): string | undefined {
  try {
    return decodeURIComponent(pathOf(target).slice('/v1/models/'.length));
  } catch {
    return undefined; // A broken escape names no model; the server says so.
  }
}

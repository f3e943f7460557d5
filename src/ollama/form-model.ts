import { setImmediate as nextTurn } from 'node:timers/promises';

/** A longer model name, bytes, is none. */
const MAX_NAME_BYTES = 4096;

/** Parts of a form that are looked at; transcriptions have about ten. */
const MAX_PARTS = 64;

/** Bytes between two looks at whether the search is over. */
const SLICE_BYTES = 64 * 1024;

/** Bytes after which others get a turn: about a millisecond. */
const TURN_BYTES = 16 * SLICE_BYTES;

/** Turns given to the parser's streams to hand over the last fields; they need two. */
const LAST_TURNS = 8;

/** Whether a `Content-Type` is that of a form with files. */
export function isForm(contentType: string | undefined): contentType is string {
  return contentType !== undefined && /^\s*multipart\/form-data\s*(;|$)/i.test(contentType);
}

/**
 * The first field `model` of a form, or of the beginning of one; undefined when there is none, it is empty, or
 * this is no form. Files are passed over where they lie; other work gets its turn every MiB. Never rejects.
 */
export async function formModel(contentType: string, body: Buffer): Promise<string | undefined> {
  let model: string | undefined;
  let over = false;
  // Forms are rare, and every start of ollana would load their parser.
  const { Busboy } = await import('@fastify/busboy');
  try {
    const form = new Busboy({
      headers: { 'content-type': contentType.trim() },
      limits: { fieldSize: MAX_NAME_BYTES, parts: MAX_PARTS, headerPairs: 32, headerSize: 16 * 1024 },
    });
    form.on('field', (name, value, _nameCut, valueCut) => {
      if (name !== 'model' || over) return;
      over = true;
      if (!valueCut && value !== '') model = value;
    });
    form.on('partsLimit', () => {
      over = true;
    });
    form.on('error', () => {
      over = true;
    });
    for (let at = 0; at < body.length && !over; at += SLICE_BYTES) {
      form.write(body.subarray(at, at + SLICE_BYTES));
      if (at % TURN_BYTES === 0) await nextTurn();
    }
    // Not end(): of a form that goes on after the beginning that is here, it would make an error.
    for (let turn = 0; turn < LAST_TURNS && !over; turn += 1) await nextTurn();
  } catch {
    // No boundary, or one that the parser will not have: the upstream says what is wrong.
  }
  return model;
}

/** Where a paired device reads the manifest of a model that is kept here: `?model=NAME`. */
export const MANIFESTS_PATH = '/ollana/api/manifests';
/** Where a paired device reads a file of a model, by its digest: `/ollana/api/blobs/sha256:...`, from an offset on. */
export const BLOBS_PATH = '/ollana/api/blobs/';

/** Which bytes of a file are asked for. */
export type ByteRange =
  | { readonly type: 'all' }
  /** From `from` to `to`, both included. */
  | { readonly type: 'part'; readonly from: number; readonly to: number }
  /** Not one of them is there. */
  | { readonly type: 'none' };

/** Reads a `Range` header for a file of `size` bytes; one that is not of the form `bytes=N-[M]` asks for all. Pure. */
export function readRange(header: string | undefined, size: number): ByteRange {
  const [, first, last] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === undefined) return { type: 'all' };
  const from = Number(first);
  const to = Math.min(last ? Number(last) : size - 1, size - 1);
  if (last && Number(last) < from) return { type: 'all' };
  return from >= size ? { type: 'none' } : { type: 'part', from, to };
}

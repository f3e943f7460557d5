import { eachElement, eachMember } from './body-scan.ts';

/** Inputs of a request that is split, at most: the places of all of them are kept. */
const MAX_INPUTS = 65_536;

const QUOTE = 0x22;

/** The places of texts in a request body, in order; `from` inclusive, `to` exclusive. */
export interface InputSpans {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/**
 * Where the texts of `input` are in a request to `/api/embed` or `/v1/embeddings`. Undefined when the request
 * is not one to split: `input` is no array of two or more texts, is there twice, or the body is not one whole
 * JSON object; such a request goes to a server as it is. Pure; never throws.
 */
export function inputSpans(json: Buffer): InputSpans | undefined {
  const arrays: number[] = [];
  const end = eachMember(json, 0, (key, from) => {
    if (key === 'input') arrays.push(from);
  });
  const [array] = arrays;
  if (end < 0 || array === undefined || arrays.length > 1) return undefined;
  const from: number[] = [];
  const to: number[] = [];
  let texts = true;
  const closed = eachElement(json, array, MAX_INPUTS, (start, stop) => {
    texts &&= json[start] === QUOTE;
    from.push(start);
    to.push(stop);
  });
  return closed !== -1 && texts && from.length > 1 ? { from, to } : undefined;
}

/**
 * How many of `count` inputs each server takes: in proportion to `weights` (inputs per second, or any measure
 * of speed), every server at least one, together `count`. One size a weight, in their order; with fewer inputs
 * than weights, one each for the first ones. A speed that is not known (not above 0, not finite) counts as
 * the slowest known. Pure; never throws.
 */
export function splitInputs(count: number, weights: readonly number[]): number[] {
  const servers = Math.min(weights.length, count);
  if (servers < 1) return [];
  const speeds = knownSpeeds(weights.slice(0, servers));
  const total = speeds.reduce((sum, speed) => sum + speed, 0);
  const shares = speeds.map((speed) => count * (speed / total));
  const sizes = shares.map((share) => Math.max(1, Math.floor(share)));
  let left = count - sizes.reduce((sum, size) => sum + size, 0);
  // What rounding left over or took too much goes where the share is missed most, one at a time: there are at
  // most as many of them as servers.
  for (; left !== 0; left -= Math.sign(left)) {
    const step = Math.sign(left);
    let chosen = -1;
    let most = Number.NEGATIVE_INFINITY;
    for (const [index, size] of sizes.entries()) {
      const missed = step * ((shares[index] ?? 0) - size);
      if (size + step >= 1 && missed > most) {
        most = missed;
        chosen = index;
      }
    }
    sizes[chosen] = (sizes[chosen] ?? 0) + step;
  }
  return sizes;
}

/**
 * Whether a request of `count` inputs is expected to end sooner when it is split as `splitInputs` does than when
 * the fastest server takes all of it. `weights` in inputs per second; `extraS` is what a split costs besides,
 * seconds. Pure.
 */
export function splitIsFaster(count: number, weights: readonly number[], extraS: number): boolean {
  const sizes = splitInputs(count, weights);
  if (sizes.length < 2) return false;
  const speeds = knownSpeeds(weights);
  const slowest = Math.max(...sizes.map((size, index) => size / (speeds[index] ?? 1)));
  return slowest + extraS < count / Math.max(...speeds);
}

/**
 * Request bodies with `sizes[i]` of the inputs each, in order; all bytes but those of the array are as in
 * `json`, and the inputs as they are written there. Throws a `RangeError` when the sizes are not those of these
 * inputs. Pure.
 */
export function splitBodies(json: Buffer, inputs: InputSpans, sizes: readonly number[]): Buffer[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total !== inputs.from.length || sizes.some((size) => !Number.isInteger(size) || size < 1)) {
    throw new RangeError(`${inputs.from.length} inputs cannot be split into ${sizes.join(' + ')}`);
  }
  const before = json.subarray(0, inputs.from[0]);
  const after = json.subarray(inputs.to.at(-1));
  let next = 0;
  return sizes.map((size) => {
    const first = next;
    next += size;
    return Buffer.concat([before, json.subarray(inputs.from[first], inputs.to[next - 1]), after]);
  });
}

function knownSpeeds(weights: readonly number[]): number[] {
  const isKnown = (weight: number) => weight > 0 && Number.isFinite(weight);
  const known = weights.filter(isKnown);
  const slowest = known.length > 0 ? Math.min(...known) : 1;
  return weights.map((weight) => (isKnown(weight) ? weight : slowest));
}

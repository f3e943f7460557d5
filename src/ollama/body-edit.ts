import { eachMember, parsedValue, skipSpace } from './body-scan.ts';

/** Where one member of a JSON object stands, in bytes. */
interface Member {
  /** First byte of its key. */
  readonly start: number;
  /** Its value: first byte, and the byte after the last. */
  readonly from: number;
  readonly to: number;
  /** The byte after the value of the member before it; undefined for the first one. */
  readonly before: number | undefined;
}

const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;

/** Where `options.num_ctx` stands in a request body, and its value in tokens. */
export interface ContextAsked {
  readonly tokens: number;
  readonly member: Member;
}

/**
 * Finds the `options.num_ctx` of a request body. Undefined where there is none, it is no positive number, or it is
 * given twice: which one counts is then Ollama's to say. Pure; never throws.
 */
export function findContext(json: Buffer): ContextAsked | undefined {
  const [options, ...moreOptions] = membersOf(json, 0, 'options');
  if (!options || moreOptions.length > 0 || json[options.from] !== OPEN_BRACE) return undefined;
  const [member, ...more] = membersOf(json, options.from, 'num_ctx');
  if (!member || more.length > 0) return undefined;
  // Ollama takes the names of options as they are spelled.
  if (json.toString('latin1', member.start, member.start + 9) !== '"num_ctx"') return undefined;
  const tokens = parsedValue(json, member.from, member.to);
  if (typeof tokens !== 'number' || !(tokens > 0)) return undefined;
  return { tokens, member };
}

/** The body without that member; every other byte stays as it is but for the comma beside it. Pure. */
export function withoutContext(json: Buffer, { member }: ContextAsked): Buffer {
  const { start, to, before } = member;
  const after = skipSpace(json, to);
  if (json[after] === COMMA) return cut(json, start, skipSpace(json, after + 1));
  return cut(json, before ?? start, to);
}

/** The body with another number there; every other byte stays as it is. Pure. */
export function withContext(json: Buffer, { member }: ContextAsked, tokens: number): Buffer {
  return cut(json, member.from, member.to, String(tokens));
}

/**
 * The body with another model in it, every other byte as it is. Undefined where it names none, or is not one JSON
 * object. Pure; never throws.
 */
export function withModel(json: Buffer, model: string): Buffer | undefined {
  const members = membersOf(json, 0, 'model');
  if (members.length === 0) return undefined;
  // From the end, so that what was found before stays where it is.
  return members.reduceRight((body, { from, to }) => cut(body, from, to, JSON.stringify(model)), json);
}

/** All members with this key (in lower case) of the object at `start`; none of one that was not seen whole. */
function membersOf(json: Buffer, start: number, wanted: string): readonly Member[] {
  const found: Member[] = [];
  let before: number | undefined;
  const end = eachMember(json, start, (key, from, to) => {
    // Between two members is one comma, and before the first the brace.
    const gap = skipSpace(json, before ?? start);
    if (key === wanted) found.push({ start: skipSpace(json, gap + 1), from, to, before });
    before = to;
  });
  return end >= 0 ? found : [];
}

function cut(json: Buffer, from: number, to: number, instead = ''): Buffer {
  return Buffer.concat([json.subarray(0, from), Buffer.from(instead), json.subarray(to)]);
}

/** An image longer than this is known by its length and its ends alone, characters of base64. */
export const LONG_IMAGE_BYTES = 16 * 1024;
/** What is looked at of each end of a long text, bytes. */
export const IMAGE_END_BYTES = 4 * 1024;

/** How PNG, JPEG, GIF and WebP begin in base64, and a data URL of any image. */
const IMAGE_STARTS = ['iVBORw0KGgo', '/9j/', '\\/9j\\/', 'R0lGOD', 'UklGR', 'data:image/', 'data:image\\/'];
/** No picture is shorter, characters of base64. */
const MIN_IMAGE_BYTES = 64;

/**
 * Whether the text in these bytes of a JSON document, quotes not included, is an image in base64: it begins as one,
 * or it is long and nothing but base64 at both its ends. Pure.
 */
export function isImage(json: Buffer, from: number, to: number): boolean {
  if (to - from < MIN_IMAGE_BYTES) return false;
  const long = to - from > LONG_IMAGE_BYTES;
  const start = json.toString('latin1', from, from + (long ? IMAGE_END_BYTES : MIN_IMAGE_BYTES));
  if (!long && !IMAGE_STARTS.some((known) => start.startsWith(known))) return false;
  const data = start.startsWith('data:') ? start.slice(start.indexOf(',') + 1) : start;
  return isBase64(data) && (!long || isBase64(json.toString('latin1', to - IMAGE_END_BYTES, to)));
}

/** Some encoders of JSON write a slash with a backslash before it. */
function isBase64(text: string): boolean {
  return /^[\w+/=\\-]*$/.test(text);
}

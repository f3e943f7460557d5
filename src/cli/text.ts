/**
 * Any text from the network as one harmless line for a terminal: control characters and escape sequences,
 * line and paragraph separators, and marks that reverse the direction of writing are gone.
 */
export function plainText(text: string): string {
  return text.replace(ESCAPE_SEQUENCE, '').replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]+/gu, '');
}

// Removed whole, so that "[31m" is not left behind as text. Bounded, because the text is anyone's.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is for
const ESCAPE_SEQUENCE = /(?:\u001b\[|\u009b)[0-?]{0,64}[ -/]{0,8}[@-~]/g;

/** Plain text cut or padded to exactly `width` columns; a cut ends in an ellipsis. */
export function inColumn(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const cut = cutTo(plainText(text), width);
  const padding = ' '.repeat(Math.max(0, width - columnsOf(cut)));
  return align === 'left' ? cut + padding : padding + cut;
}

/** Plain text of at most `width` columns; a cut ends in an ellipsis. */
export function cutTo(text: string, width: number): string {
  if (columnsOf(text) <= width) return text;
  let kept = '';
  let used = 1;
  for (const { segment } of GRAPHEMES.segment(text)) {
    used += columnsOf(segment);
    if (used > width) break;
    kept += segment;
  }
  return width > 0 ? `${kept}…` : '';
}

/** Plain text in lines of at most `width` columns, broken between words; a longer word is cut. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && columnsOf(last) + 1 + columnsOf(word) <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(cutTo(word, width));
  }
  return lines;
}

const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Terminal columns: marks that combine take none, East Asian wide characters and emoji take two. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const char of text) columns += /\p{M}/u.test(char) ? 0 : isWide(char) ? 2 : 1;
  return columns;
}

const isWide = (char: string): boolean =>
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60\uffe0-\uffe6]/u.test(
    char,
  );

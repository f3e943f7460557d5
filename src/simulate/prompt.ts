import { fieldsOf, listOf, textOf } from './fields.ts';

/** What a model would be given to read. */
export interface Prompt {
  /** The whole text, roles included; equal beginnings mean equal conversations. */
  readonly text: string;
  /** The last thing the user said: what the answer is made from. */
  readonly question: string;
  /** The beginning of an answer that is to be continued, or nothing. */
  readonly begun: string;
  readonly images: number;
}

/** Renders the messages of any of the chat dialects: content as text, or as a list of parts. */
export function promptOf(messages: unknown, system = ''): Prompt {
  let text = system === '' ? '' : `<|system|>${system}\n`;
  let question = '';
  let images = 0;
  const list = listOf(messages).map(fieldsOf);
  for (const message of list) {
    const content = contentOf(message.content);
    const role = textOf(message.role) || 'user';
    text += `<|${role}|>${content.text}\n`;
    images += content.images + listOf(message.images).length;
    if (role === 'user') question = content.text;
  }
  const last = list.at(-1);
  const begun = last?.role === 'assistant' ? contentOf(last.content).text : '';
  return { text: begun === '' ? `${text}<|assistant|>` : text.slice(0, -1), question, begun, images };
}

/** The text and the number of images of a content field. */
export function contentOf(content: unknown): { text: string; images: number } {
  if (typeof content === 'string') return { text: content, images: 0 };
  const parts = listOf(content).map(fieldsOf);
  return {
    text: parts.map((part) => textOf(part.text) || contentText(part.content)).join(''),
    images: parts.filter((part) => /image/.test(textOf(part.type))).length,
  };
}

/** Tool results carry their text one level deeper, as a string or as parts again. */
function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  return listOf(content)
    .map((part) => textOf(fieldsOf(part).text))
    .join('');
}

import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { until, within } from './_deadline.ts';

/** The digest by which a simulated Ollama tells what arrived. */
export const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Sends a request byte by byte as given, on its own connection; resolves with all that came back. */
export async function raw(
  url: string,
  method: string,
  path: string,
  lines: readonly string[],
  body: string,
  sized = true,
): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (piece: string) => {
    text += piece;
  });
  const keep = lines.some((line) => line.startsWith('Connection:')) ? [] : ['Connection: close'];
  const length = sized ? [`Content-Length: ${Buffer.byteLength(body)}`] : [];
  const head = [`${method} ${path} HTTP/1.1`, ...lines, ...keep, ...length];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  if (keep.length === 0) {
    await until(5000, 'an answer', () => text.includes('\r\n\r\n'));
    socket.destroy();
  }
  await within(5000, `${method} ${path} to be answered`, closed);
  return text;
}

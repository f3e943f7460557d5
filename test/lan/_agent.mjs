// Makes HTTP requests from inside a namespace for a test outside it: one JSON command a line on standard input, one
// JSON event a line on standard output, times as milliseconds since 1970 (the test's clock is the same one).
// Plain JavaScript, so that it starts in tens of milliseconds.
import { request } from 'node:http';
import { createInterface } from 'node:readline';

const now = () => performance.timeOrigin + performance.now();
const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const aborts = new Map();

function perform({ id, url, method, headers, body, abortAfterLines, abortAfterMs }) {
  let ended = false;
  const chunks = [];
  const end = (error) => {
    if (ended) return;
    ended = true;
    aborts.delete(id);
    clearTimeout(timer);
    tell({ id, event: 'end', at: now(), error, body: Buffer.concat(chunks).toString('base64') });
  };
  tell({ id, event: 'start', at: now() });
  const outgoing = request(url, { method, headers, agent: false, setHost: headers.host === undefined });
  const abort = () => {
    end('aborted');
    outgoing.destroy();
  };
  aborts.set(id, abort);
  const timer = abortAfterMs === undefined ? undefined : setTimeout(abort, abortAfterMs);
  outgoing.setNoDelay(true);
  outgoing.on('error', (error) => end(error.code ?? error.message));
  outgoing.on('response', (response) => {
    tell({ id, event: 'headers', at: now(), status: response.statusCode, headers: response.headers });
    let rest = '';
    let lines = 0;
    response.on('data', (chunk) => {
      const at = now();
      if (ended) return;
      chunks.push(chunk);
      const parts = (rest + chunk.toString('latin1')).split('\n');
      rest = parts.pop();
      for (const part of parts) {
        tell({ id, event: 'line', at, text: Buffer.from(part, 'latin1').toString('utf8') });
        lines += 1;
        if (lines === abortAfterLines) return abort();
      }
    });
    response.on('end', () => end());
    response.on('error', (error) => end(error.code ?? error.message));
    response.on('close', () => end('closed before the end'));
  });
  outgoing.end(body === undefined ? undefined : Buffer.from(body, 'base64'));
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line);
    if (command.op === 'abort') aborts.get(command.id)?.();
    else perform(command);
  })
  .on('close', () => process.exit(0));
tell({ event: 'ready' });

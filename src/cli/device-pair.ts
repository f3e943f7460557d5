import { createInterface } from 'node:readline';
import { systemClock } from '../clock.ts';
import { parseServerAddress } from '../config/server-address.ts';
import { DEFAULTS } from '../config.ts';
import { PAIRING_PATH, type PairingLine } from '../daemon/pair-door.ts';
import { pairWith } from '../daemon/pair-guest.ts';
import { runningDaemons } from '../daemon/state-file.ts';
import type { StatusReport } from '../daemon/status.ts';
import { OllanaError } from '../errors.ts';
import { rightsFor } from '../security/allow-list.ts';
import { loadIdentity } from '../security/identity.ts';
import { wordsOf } from '../security/words.ts';
import { chosenServer } from './chosen-servers.ts';
import { readReport, sendToDaemon } from './daemon-request.ts';
import { type DeviceOrder, nameOf } from './device.ts';
import { EXIT } from './exit-codes.ts';
import { plainText } from './text.ts';

/** A line of the daemon's is some hundred characters. */
const LONGEST_LINE = 4096;

/**
 * Has the running daemon show a code, and waits until a device has been paired with it. Returns 0 then, and 1 when
 * nobody came or the code was guessed at too often. Throws OLLANA_NOT_RUNNING and OLLANA_DIAL_FAILED.
 */
export async function showCode({ dataDir, manage, readOnly }: DeviceOrder): Promise<number> {
  // Where both run it is the server that others can reach.
  const daemon = runningDaemons(dataDir).at(-1);
  if (!daemon)
    throw new OllanaError(
      'OLLANA_NOT_RUNNING',
      `no running ollana found in ${dataDir}: start one with \`ollana serve\`, or give its --data-dir`,
    );
  const answer = await sendToDaemon(daemon, {
    method: 'POST',
    path: PAIRING_PATH,
    body: { manage, readOnly },
  });
  let rest = '';
  let code = EXIT.failed as number;
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = (lines.pop() ?? '').slice(0, LONGEST_LINE);
    for (const line of lines) code = sayLine(JSON.parse(line) as PairingLine, daemon.url);
  }
  if (rest !== '') {
    const { error } = JSON.parse(rest) as { error?: unknown };
    process.stderr.write(`ollana: ${plainText(String(error ?? `HTTP status ${answer.statusCode}`))}\n`);
  }
  return code;
}

function sayLine(line: PairingLine, url: string): number {
  if ('code' in line) {
    const { code, leftMs, name, id, before } = line;
    if (before !== undefined) process.stderr.write(`ollana: not paired: ${plainText(before)}\n`);
    const seconds = Math.round(leftMs / 1000);
    say(`Code: ${code.slice(0, 3)} ${code.slice(3)}   (good for ${seconds} s, and for one try)`);
    say(`On the other machine: ollana device pair ${name}`);
    say(`or, if it has not found ${name}: ollana device pair http://ADDRESS:${new URL(url).port}`);
    say(`This device aloud: ${wordsOf(id)}`);
    return EXIT.failed;
  }
  if ('over' in line) {
    process.stderr.write(`ollana: not paired: ${plainText(line.over)}\n`);
    return EXIT.failed;
  }
  say(`Paired with ${nameOf(line.paired)}, aloud: ${wordsOf(line.paired.id)}`);
  return EXIT.ok;
}

/**
 * Pairs this device with the one called `target`, by its URL or as the running daemon knows it, which shows a code.
 * Returns 0. Throws OLLANA_NOT_PAIRED, OLLANA_BAD_OPTION, OLLANA_NO_SERVER, OLLANA_DIAL_FAILED, OLLANA_UNREADABLE_FILE.
 */
export async function pairDevice(order: DeviceOrder, target: string): Promise<number> {
  const { dataDir, name, manage, readOnly } = order;
  const url = await urlOf(target, dataDir);
  const own = loadIdentity(dataDir);
  const device = await pairWith({
    url,
    own,
    name,
    dataDir,
    rights: rightsFor(manage, readOnly),
    clock: systemClock,
    connectTimeoutMs: DEFAULTS.connectTimeoutMs,
    askCode: async (host) => {
      say(`${plainText(host)} at ${url} shows a code.`);
      return askCode();
    },
  });
  say(`Paired with ${nameOf(device)}, aloud: ${wordsOf(device.id)}`);
  say(`This device aloud: ${wordsOf(own.deviceId)}`);
  return EXIT.ok;
}

/** Where a device is that the user calls by a URL, `host:port`, or a name. */
async function urlOf(target: string, dataDir: string): Promise<string> {
  if (/:\/\/|:\d+$/.test(target)) return plainUrl(target);
  const [daemon] = runningDaemons(dataDir);
  if (!daemon)
    throw new OllanaError(
      'OLLANA_NOT_RUNNING',
      `no running ollana knows where ${target} is: start one, or give its URL such as http://192.168.1.20:${DEFAULTS.port}`,
    );
  const report = await readReport<StatusReport>(daemon, '/ollana/api/status', ({ servers }) =>
    Array.isArray(servers),
  );
  return plainUrl(chosenServer(target, report).url);
}

/** The base URL; TLS is spoken on the same port, whatever the scheme says. */
function plainUrl(text: string): string {
  try {
    return parseServerAddress(text).url.replace(/^https:/, 'http:');
  } catch (error) {
    throw error instanceof RangeError ? new OllanaError('OLLANA_BAD_OPTION', error.message) : error;
  }
}

/** Six digits from the terminal, or from whatever stdin is. Rejects with OLLANA_BAD_OPTION for anything else. */
async function askCode(): Promise<string> {
  const lines = createInterface({ input: process.stdin, terminal: false });
  process.stdout.write('Code: ');
  try {
    for await (const line of lines) {
      const digits = line.replace(/[\s-]/g, '');
      if (/^\d{6}$/.test(digits)) return digits;
      break;
    }
  } finally {
    lines.close();
  }
  throw new OllanaError('OLLANA_BAD_OPTION', 'a code has six digits, as the other machine shows them');
}

function say(text: string): void {
  process.stdout.write(`${plainText(text)}\n`);
}

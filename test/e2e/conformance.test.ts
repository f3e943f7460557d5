import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { skipBecause } from '../_skip.ts';
import { APPS } from './_conformance-apps.ts';
import type { Case } from './_conformance-case.ts';
import { CHAT } from './_conformance-chat.ts';
import { compareAnswers, type Difference } from './_conformance-compare.ts';
import { EDGES } from './_conformance-edges.ts';
import { GENERATE } from './_conformance-generate.ts';
import { GUARD } from './_conformance-guard.ts';
import { KNOWN, type Known, knownAs } from './_conformance-known.ts';
import { MANAGE } from './_conformance-manage.ts';
import { READS } from './_conformance-reads.ts';
import { V1 } from './_conformance-v1.ts';
import { startWays, type Way, type Ways } from './_conformance-ways.ts';
import { exchange, type WireAnswer } from './_conformance-wire.ts';
import { realOllamaUnavailable } from './_real-ollama.ts';

/** A real model on a busy machine with two cores: an answer may have to load it, three times. */
const TEST_MS = 60_000;

const ROOMS: readonly [string, readonly Case[]][] = [
  ['liveness, lists and look-ups', READS],
  ['/api/generate and /api/embed', GENERATE],
  ['/api/chat', CHAT],
  ['/v1', V1],
  ['what apps send', APPS],
  ['management', MANAGE],
  ['Host and Origin', GUARD],
  ['the edge of HTTP', EDGES],
];

describe('an answer through ollana is the answer of the Ollama behind it', { timeout: TEST_MS }, () => {
  const unavailable = realOllamaUnavailable();
  skipBecause(unavailable);

  const met = new Set<Known>();
  let ways: Ways;
  let gguf = '';

  beforeAll(async () => {
    if (unavailable !== undefined) return;
    ways = await startWays();
    const { stdout } = await ways.ollama.cli('show', '--modelfile', 'smol');
    gguf = /sha256-([0-9a-f]{64})/.exec(stdout)?.[1] ?? '';
  }, TEST_MS);

  afterAll(async () => {
    await ways?.[Symbol.asyncDispose]();
    if (met.size === 0) return;
    const lines = [...met].map(({ title, reason }) => `- ${title}: ${reason}`);
    process.stdout.write(`\nThe differences between Ollama and ollana before it:\n${lines.join('\n')}\n`);
  });

  async function ask(asked: Case, { word, port }: Way): Promise<WireAnswer> {
    const blob = createHash('sha256').update(`blob of ${word}`).digest('hex');
    const fill = (text: string) =>
      text.replaceAll('{face}', word).replaceAll('{blob}', blob).replaceAll('{gguf}', gguf);
    const answer = await exchange(port, {
      ...asked,
      path: fill(asked.path),
      body: bytesOf(asked.body, fill),
    });
    const own = new RegExp(`(scratch-|Be |of )${word}`, 'g');
    return { ...answer, body: answer.body.replaceAll(blob, '{blob}').replace(own, '$1{face}') };
  }

  for (const [room, table] of ROOMS) {
    describe(room, () => {
      test.each(table)('$name', async (asked) => {
        const direct = await ask(asked, ways.direct);
        expect(direct.status, `status of Ollama itself, which answered: ${direct.body.slice(0, 300)}`).toBe(
          asked.status,
        );
        // Every way is gone before anything is judged: a later case builds on what this one leaves.
        const unexpected: (Difference & { way: string })[] = [];
        for (const way of ways.proxied) {
          for (const difference of compareAnswers(asked.compare, direct, await ask(asked, way))) {
            const known = knownAs(asked.name, difference);
            if (known === undefined) unexpected.push({ way: way.title, ...difference });
            else met.add(known);
          }
        }
        expect(unexpected, `${asked.method} ${asked.path.slice(0, 200)}`).toEqual([]);
      });
    });
  }

  test('the table has every case once, and at least 120', () => {
    const names = ROOMS.flatMap(([, table]) => table.map(({ name }) => name));
    expect(names.length).toBeGreaterThanOrEqual(120);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });

  test('every difference on the list is still there', () => {
    const gone = KNOWN.filter((known) => !met.has(known)).map(({ title }) => title);
    expect(gone, 'take these off the list').toEqual([]);
  });
});

function bytesOf(body: Case['body'], fill: (text: string) => string): Buffer | undefined {
  if (body === undefined || Buffer.isBuffer(body)) return body;
  return Buffer.from(fill(typeof body === 'string' ? body : JSON.stringify(body)));
}

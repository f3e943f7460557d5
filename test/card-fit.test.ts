import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ServerFacts } from '../src/fleet/pool.ts';
import { modelKey } from '../src/ollama/names.ts';
import { cardBytes, fitsCards, type Tenant } from '../src/server/card-fit.ts';
import { MemoryBook } from '../src/server/memory-book.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { startDaemon, temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { ask, chat } from './_simulate-client.ts';

const GB = 1e9;
const file = (gigabytes: number): Tenant => ({ bytes: gigabytes * GB, isWhole: false });
const whole = (gigabytes: number): Tenant => ({ bytes: gigabytes * GB, isWhole: true });
const cards = (...gigabytes: readonly number[]) => gigabytes.map((one) => one * GB);

describe('whether models fit on cards together', () => {
  it.each([
    ['yes', 'two with room for what comes on top', [whole(6), file(5)], cards(16)],
    ['no', 'files that are too large already', [whole(6), file(11)], cards(16)],
    ['unknown', 'files that fit, and maybe not with what comes on top', [whole(6), file(9)], cards(16)],
    ['unknown', 'nothing left for the driver', [whole(8), whole(8)], cards(16)],
    ['yes', 'one on each of two cards', [file(8), file(8)], cards(12, 12)],
    [
      'unknown',
      'three on two cards of which one would be cut in two',
      [file(6), file(6), file(6)],
      cards(12, 12),
    ],
    ['no', 'more than all cards have', [file(9), file(9), file(9)], cards(12, 12)],
    ['unknown', 'no card that anybody knows', [file(1)], []],
  ] as const)('is %s: %s', (answer, _, tenants, bytes) => {
    expect(fitsCards(tenants, bytes)).toBe(answer);
  });

  it('is not known where one card does not tell', () => {
    const card = {
      name: null,
      freeBytes: null,
      load: null,
      temperatureC: null,
      powerW: null,
      powerLimitW: null,
    };
    const known = { ...card, totalBytes: 8 * GB };
    expect(cardBytes([known, known])).toEqual([8 * GB, 8 * GB]);
    expect(cardBytes([known, { ...card, totalBytes: null }])).toEqual([]);
    expect(cardBytes([])).toEqual([]);
  });
});

describe('what a load pushes out of a card', () => {
  const row = (name: string, more: object = {}) => ({ name, key: name, raw: { size: 5 * GB, ...more } });
  const facts = (vram: number) =>
    ({
      tags: [row('a'), row('b')].map((one) => ({ ...one, digest: '', modifiedAt: '' })),
      ps: [{ ...row('a', { size_vram: vram }), expiresAt: '' }],
    }) as Pick<ServerFacts, 'tags' | 'ps'> as ServerFacts;

  it.each([
    ['nothing, where both fit', 5 * GB, cards(24), { keys: [], sure: true }],
    ['the one that is there, where they do not', 5 * GB, cards(8), { keys: ['a'], sure: true }],
    ['maybe something, where nobody knows', 5 * GB, [], { keys: ['a'], sure: false }],
    ['maybe something, where Ollama does not use the card', 0, cards(8), { keys: ['a'], sure: false }],
  ])('is %s', (_, vram, bytes, victims) => {
    expect(new MemoryBook().victims('b', ['a'], facts(vram), bytes)).toEqual(victims);
  });
});

it('a server with a card tells what a load would push out before any has', { timeout: 60_000 }, async () => {
  using folder = temporaryDirectory('card');
  const tools = join(folder.path, 'bin');
  mkdirSync(tools);
  // It answers when the first two models have been loaded: what is told of the third changes by that alone.
  const tool = `#!/bin/sh\nuntil [ -e '${folder.path}/loaded' ]; do sleep 0.05; done\necho 'Card, 5632, [N/A], 1, 1, 1, 1'\n`;
  writeFileSync(join(tools, 'nvidia-smi'), tool, { mode: 0o755 });
  const models = ['a', 'b', 'c'].map((name) => ({ name, size: 2 * GB, loadMs: 0 }));
  await using ollama = await startSimulatedOllama({ models, memoryBytes: 5 * GB });
  await using daemon = await startDaemon({
    args: `serve --ollama ${ollama.url} --host 127.0.0.1 --port 0 --no-udp --no-mdns`.split(' '),
    env: { PATH: `${tools}${delimiter}${process.env.PATH}` },
    startMs: 20_000,
  });
  const over = new AbortController();
  const { body } = await fetch(`${daemon.url}/ollana/api/watch`, { signal: over.signal });
  let text = '';
  const reading = (async () => {
    for await (const chunk of body ?? []) text += new TextDecoder().decode(chunk);
  })().catch(() => {});
  const evictsOf = (model: string, when: string, expected: readonly string[]) =>
    until(30_000, when, async () => {
      const told = text.split('event: load\ndata: ').at(-1)?.split('\n\n')[0];
      const { models } = JSON.parse(told?.startsWith('{') ? told : '{"models":{}}');
      return JSON.stringify(models[modelKey(model)]?.evicts) === JSON.stringify(expected);
    });
  await ask({ url: daemon.url }, '/api/chat', chat('a', 'q'));
  await evictsOf('b', 'room for a second one', []);
  await ask({ url: daemon.url }, '/api/chat', chat('b', 'q'));
  await evictsOf('c', 'nothing known of a third one', []);
  writeFileSync(join(folder.path, 'loaded'), '');
  await evictsOf('c', 'the one that a third pushes out', [modelKey('a')]);
  over.abort();
  await reading;
});

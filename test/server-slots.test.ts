import { expect, it } from 'vitest';
import { type ModelKind, slotsOf } from '../src/server/slots.ts';

it.each<[number, ModelKind, number]>([
  [4, {}, 4],
  [1, {}, 1],
  [0, {}, 1],
  [4, { family: 'llama', families: ['llama'], capabilities: ['completion', 'tools'] }, 4],
  [4, { family: 'qwen3', families: ['qwen3'] }, 4],
  [4, { family: 'qwen3moe' }, 4],
  [4, { family: 'qwen2vl' }, 4],
  [4, { family: 'qwen25vl' }, 4],
  [4, { family: 'gemma3', capabilities: [] }, 4],
  [4, { family: 'llama', families: ['llama', 'clip'] }, 4],
  [4, { family: 'bert' }, 1],
  [4, { family: 'nomic-bert', families: ['nomic-bert'] }, 1],
  [4, { family: 'nomic-bert-moe' }, 1],
  [4, { family: 'jina-bert-v2' }, 1],
  [4, { family: 'gemma3', capabilities: ['embedding'] }, 1],
  [4, { family: 'qwen3', capabilities: ['embedding'] }, 1],
  [4, { family: 'mllama' }, 1],
  [4, { family: '', families: ['mllama'] }, 1],
  [4, { family: 'qwen3vl', capabilities: ['completion', 'vision'] }, 1],
  [4, { family: 'qwen3vlmoe' }, 1],
  [4, { family: 'qwen35' }, 1],
  [4, { family: 'qwen35moe' }, 1],
  [4, { family: 'qwen3next' }, 1],
  [4, { family: 'lfm2' }, 1],
  [4, { family: 'lfm2moe' }, 1],
  [4, { family: 'nemotron_h' }, 1],
  [4, { family: 'Nemotron_H_MoE' }, 1],
  [4, { family: 'nemotron' }, 4],
])('with %i in general, %j runs %i at once', (parallel, kind, slots) => {
  expect(slotsOf(parallel, kind)).toBe(slots);
});

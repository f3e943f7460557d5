import { describe, expect, it } from 'vitest';
import {
  type Environment,
  readEnvironmentFile,
  readProcessEnvironment,
  readRegistry,
  readService,
} from '../src/server/ollama-environment.ts';
import { limitsOf, type Parallel } from '../src/server/ollama-limits.ts';

const entries = (map: ReadonlyMap<string, string>) => Object.fromEntries(map);

describe('what was read', () => {
  it.each([
    ['', {}],
    ['A=1\0B=x=y\0', { A: '1', B: 'x=y' }],
    ['A=first\0A=second\0', { A: 'first' }],
    ['no variable\0=nameless\0EMPTY=\0', { EMPTY: '' }],
  ])('of a process, %j', (text, variables) => {
    expect(entries(readProcessEnvironment(text))).toEqual(variables);
  });

  it.each([
    ['', false, {}, []],
    ['ActiveState=inactive\nEnvironment=A=1\n', false, { A: '1' }, []],
    ['ActiveState=activating\nEnvironment=\n', false, {}, []],
    [
      "Environment=PATH=/usr/bin:/bin OLLAMA_NUM_PARALLEL=3 \"B=two words\" $'C=it\\'s'\nActiveState=active\n",
      true,
      { PATH: '/usr/bin:/bin', OLLAMA_NUM_PARALLEL: '3', B: 'two words', C: "it's" },
      [],
    ],
    [
      'EnvironmentFiles=/etc/a b (ignore_errors=yes)\nEnvironmentFiles=/etc/c (ignore_errors=no)\nActiveState=active',
      true,
      {},
      [
        { path: '/etc/a b', optional: true },
        { path: '/etc/c', optional: false },
      ],
    ],
  ])('of a service, %j', (text, active, variables, files) => {
    const service = readService(text);
    expect({ ...service, variables: entries(service.variables) }).toEqual({ active, variables, files });
  });

  it.each([
    ['A=1\n# A=2\n; A=3\n\nB = "two words"\nC=\'x\'\nnonsense', { A: '1', B: 'two words', C: 'x' }],
    ['A=1\r\nA=2\r\n', { A: '2' }],
  ])('of an environment file, %j', (text, variables) => {
    expect(entries(readEnvironmentFile(text))).toEqual(variables);
  });

  it('of the registry', () => {
    const text =
      '\r\nHKEY_CURRENT_USER\\Environment\r\n    Path    REG_EXPAND_SZ    C:\\a b;C:\\c\r\n    Ollama_Num_Parallel    REG_SZ    3\r\n\r\n';
    expect(entries(readRegistry(text))).toEqual({ PATH: 'C:\\a b;C:\\c', OLLAMA_NUM_PARALLEL: '3' });
  });

  it('of a megabyte of anything takes no time', () => {
    const begin = performance.now();
    for (const text of ['"\\'.repeat(500_000), 'Environment="'.repeat(80_000), 'a= '.repeat(300_000)])
      for (const read of [readProcessEnvironment, readService, readEnvironmentFile, readRegistry]) read(text);
    expect(performance.now() - begin).toBeLessThan(1000);
  });
});

describe('the limits of an Ollama', () => {
  const environment = (variables: Record<string, string>, more: Partial<Environment> = {}): Environment => ({
    variables: new Map(Object.entries(variables)),
    source: 'process',
    complete: true,
    ...more,
  });
  const limits = (
    env: Environment | undefined,
    version: string | undefined = '0.33.0',
    given?: number,
  ): Parallel => limitsOf({ given, environment: env, version });

  it.each<[string, Parallel, Parallel]>([
    ['given', limits(environment({ OLLAMA_NUM_PARALLEL: '3' }), '0.33.0', 5), { value: 5, source: 'option' }],
    ['set', limits(environment({ OLLAMA_NUM_PARALLEL: '3' })), { value: 3, source: 'process' }],
    [
      'set for the service',
      limits(environment({ OLLAMA_NUM_PARALLEL: ' "2" ' }, { source: 'service' })),
      { value: 2, source: 'service' },
    ],
    [
      'set beyond reason',
      limits(environment({ OLLAMA_NUM_PARALLEL: '1000' })),
      { value: 64, source: 'process' },
    ],
    ['0', limits(environment({ OLLAMA_NUM_PARALLEL: '0' })), { value: 1, source: 'default' }],
    [
      'nonsense',
      limits(environment({ OLLAMA_NUM_PARALLEL: '-3' }), '0.9.6'),
      { value: 4, source: 'default' },
    ],
    ['not set', limits(environment({}), '0.10.0'), { value: 1, source: 'default' }],
    ['not set, old Ollama', limits(environment({}), '0.9.6'), { value: 4, source: 'default' }],
    ['not set, own build', limits(environment({}), '0.0.0'), { value: 1, source: 'default' }],
    ['not set, 1.x', limits(environment({}), '1.2.0'), { value: 1, source: 'default' }],
    [
      'not set where it need not be',
      limits(environment({}, { source: 'service', complete: false })),
      { value: 1, source: 'unknown' },
    ],
    ['unreadable', limits(undefined), { value: 1, source: 'unknown' }],
    ['unreadable, old Ollama', limits(undefined, '0.5.7'), { value: 4, source: 'unknown' }],
    ['unreadable, given', limits(undefined, undefined, 2), { value: 2, source: 'option' }],
  ])('%s', (_what, found, expected) => {
    expect(found).toEqual(expected);
  });

  it.each([
    ['30m', 1_800_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['90', 90_000],
    ['0', 0],
    ['-1', Number.POSITIVE_INFINITY],
    ['-1m', Number.POSITIVE_INFINITY],
    ['"24h"', 86_400_000],
    ['soon', undefined],
    ['', undefined],
    ['1d', undefined],
  ])('keep_alive %j is %s ms', (text, ms) => {
    expect(limits(environment({ OLLAMA_KEEP_ALIVE: text })).keepAliveMs).toBe(ms);
  });

  it('models and context are numbers where they are set', () => {
    const set = environment({ OLLAMA_MAX_LOADED_MODELS: '2', OLLAMA_CONTEXT_LENGTH: '8192' });
    expect(limits(set)).toEqual({ value: 1, source: 'default', maxLoadedModels: 2, contextLength: 8192 });
    const auto = environment({ OLLAMA_MAX_LOADED_MODELS: '0', OLLAMA_CONTEXT_LENGTH: 'x' });
    expect(limits(auto)).toEqual({ value: 1, source: 'default' });
  });
});

import { describe, expect, it } from 'vitest';
import type { ServerFacts } from '../src/fleet/pool.ts';
import { readTags } from '../src/ollama/lists.ts';
import { modelKey } from '../src/ollama/names.ts';
import { readPlainPull } from '../src/proxy/pull-request.ts';
import { copyCandidates } from '../src/server/copy-candidates.ts';

describe('who may be asked', () => {
  const row = (digit: string, modified_at: string, more: object = {}) => ({
    name: 'm:latest',
    digest: digit.repeat(64),
    modified_at,
    ...more,
  });
  const server = (name: string, rows: readonly object[], more: Partial<ServerFacts> = {}) =>
    ({
      name,
      url: `http://${name}`,
      kind: 'ollana',
      verdict: { state: 'reliable' },
      tags: readTags({ models: rows }),
      ...more,
    }) as ServerFacts;
  const [OLD, NEW] = ['2026-01-01T00:00:00.123456789Z', '2026-01-01T12:00:00+02:00'];
  const asked = (servers: readonly ServerFacts[], here: readonly object[] = []) =>
    copyCandidates(servers, 'http://own', modelKey('M'), readTags({ models: here })).map(({ name }) => name);

  it('is who lists it as a model of files, the newest first', () => {
    expect(asked([server('a', [row('1', OLD)]), server('b', [row('2', NEW)])])).toEqual(['b', 'a']);
    expect(asked([server('own', [row('1', OLD)])])).toEqual([]);
    expect(asked([server('a', [row('1', OLD)], { kind: 'ollama' })])).toEqual([]);
    expect(asked([server('a', [row('1', OLD)], { verdict: { state: 'unreliable' } as never })])).toEqual([]);
    expect(asked([server('a', [row('1', OLD, { remote_host: 'https://ollama.com' })])])).toEqual([]);
    expect(asked([server('a', [row('x', OLD)])])).toEqual([]);
    expect(asked([server('a', [row('1', OLD, { name: 'm:cloud' })])])).toEqual([]);
    expect(asked(Array.from({ length: 20 }, (_, i) => server(`s${i}`, [row('1', OLD)])))).toHaveLength(8);
  });

  it('is nobody who has the same as is here, or an older one', () => {
    const servers = [server('a', [row('1', OLD)]), server('b', [row('2', NEW)])];
    expect(asked(servers, [row('1', OLD)])).toEqual(['b']);
    expect(asked(servers, [row('2', NEW)])).toEqual([]);
    expect(asked(servers, [row('3', NEW)])).toEqual([]);
  });
});

describe('the body of a pull', () => {
  it.each([
    ['{"model":"m"}', { model: 'm', streams: true }],
    ['{"name":"m","stream":false}', { model: 'm', streams: false }],
    ['{"model":"","username":"","password":"","name":"m"}', { model: 'm', streams: true }],
    ['{"model":"m","insecure":false,"stream":null}', { model: 'm', streams: true }],
    ['{"model":"m","name":"other"}', undefined],
    ['{"model":"m","MODEL":"other"}', undefined],
    ['{"model":"m","insecure":true}', undefined],
    ['{"model":"m","username":"u"}', undefined],
    ['{"model":"m","stream":"no"}', undefined],
    ['{"model":["m"]}', undefined],
    ['{}', undefined],
    ['null', undefined],
    ['{', undefined],
  ])('%s', (text, read) => {
    expect(readPlainPull(Buffer.from(text))).toEqual(read);
  });
});

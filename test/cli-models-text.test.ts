import { describe, expect, it } from 'vitest';
import { findCommand, readFlags } from '../src/cli/argv.ts';
import { byteText } from '../src/cli/byte-text.ts';
import { modelsTable } from '../src/cli/models-table.ts';
import { PullBoard, pullLine } from '../src/cli/pull-board.ts';
import { columnsOf } from '../src/cli/text.ts';
import type { ModelCopy, ModelStatus } from '../src/daemon/model-report.ts';
import { advance, ended, PULL_BEGUN } from '../src/ollama/pull-progress.ts';
import { steppedClock } from './_simulate-client.ts';

const copy = (name: string, digest: string, contextLength: number | null = null): ModelCopy => ({
  name,
  deviceId: name,
  url: `http://${name}:11434`,
  size: null,
  digest,
  loaded: contextLength !== null,
  contextLength,
  sizeVram: null,
  expiresAt: null,
});
const model = (name: string, ...servers: ModelCopy[]): ModelStatus => ({
  name,
  size: 4_661_224_676,
  digest: servers[0]?.digest ?? '',
  modifiedAt: '',
  servers,
});
const line = (fields: object) => JSON.stringify(fields);

describe('the table of models', () => {
  it('says where each is installed and loaded, and with which context', () => {
    const text = modelsTable({
      models: [model('llama3:latest', copy('attic', 'aa'), copy('cellar', 'aa', 4096))],
    });
    expect(text.split('\n')).toEqual([
      'MODEL                           SIZE INSTALLED           LOADED         CONTEXT',
      'llama3:latest                 4.7 GB attic, cellar       cellar            4096',
      '',
    ]);
  });

  it('marks a name that means different models and says who has which', () => {
    const text = modelsTable({ models: [model('m', copy('x', 'a'.repeat(64)), copy('y', 'b'.repeat(64)))] });
    expect(text).toMatch(/^m\* /m);
    expect(text).toContain('* m is not the same model everywhere: aaaaaaaaaaaa on x; bbbbbbbbbbbb on y.');
    expect(text).toContain('ollana pull m --all');
  });

  it('fits 80 columns and stays plain text, whatever servers call things', () => {
    const evil = `\u001b[31m${'長い名前'.repeat(30)}\u202e\n`;
    const many = Array.from({ length: 300 }, (_, i) => copy(`${evil}${i}`, String(i), 1e15));
    const text = modelsTable({ models: [model(evil, ...many), model('m'.repeat(300))] });
    for (const row of text.split('\n')) expect(columnsOf(row)).toBeLessThanOrEqual(80);
    for (const control of ['\u001b', '\u202e']) expect(text).not.toContain(control);
    expect(text.split('\n').length).toBeLessThan(15);
    expect(text).toContain('+299');
  });

  it('says what to do when there is none', () => {
    expect(modelsTable({ models: [] })).toContain('ollana pull MODEL');
  });
});

describe('the size of a model', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [999_600, '1.0 MB'],
    [4_661_224_676, '4.7 GB'],
    [270_898_672, '271 MB'],
    [1e30, '9999 PB'],
  ])('%d is %s', (bytes, text) => expect(byteText(bytes)).toBe(text));
});

describe('the progress of a pull', () => {
  it('sums what is done over all parts', () => {
    const lines = [
      { status: 'pulling manifest' },
      { status: 'pulling aa', digest: 'sha256:aa', total: 100 },
      { status: 'pulling aa', digest: 'sha256:aa', total: 100, completed: 60 },
      { status: 'pulling bb', digest: 'sha256:bb', total: 50, completed: 10 },
      { status: 'pulling aa', digest: 'sha256:aa', total: 100, completed: 100 },
    ];
    const end = lines.map(line).reduce(advance, PULL_BEGUN);
    expect(end).toMatchObject({ state: 'running', total: 150, completed: 110 });
  });

  it('is done by the success line alone', () => {
    expect(advance(PULL_BEGUN, line({ status: 'success' }), 0).state).toBe('done');
    const broken = ended(advance(PULL_BEGUN, line({ status: 'writing manifest' }), 0));
    expect(broken).toMatchObject({ state: 'failed', status: 'the answer broke off before it was done' });
  });

  it.each(['{"error":"disk full"}', 'null', '[', '"x'])('has failed after %s', (text) => {
    const said = advance(PULL_BEGUN, text, 0);
    expect(said.state).toBe('failed');
    expect(advance(said, line({ status: 'success' }), 0).state).toBe('failed');
  });

  it('bears numbers that cannot be', () => {
    const said = advance(PULL_BEGUN, line({ status: 's', digest: 'd', total: -5, completed: 1e300 }), 0);
    expect(pullLine('x', said, 79)).toBe('x                s');
  });
});

describe('the board of pulls', () => {
  const half = advance(
    PULL_BEGUN,
    line({ status: 'pulling aa', digest: 'd', total: 2e9, completed: 1e9 }),
    0,
  );
  const done = advance(half, line({ status: 'success' }), 0);

  it('redraws its lines on a terminal, at most ten times a second, and the end at once', () => {
    const written: string[] = [];
    const clock = steppedClock();
    const screen = { isTTY: true, columns: 80, rows: 24, write: (text: string) => written.push(text) };
    const board = new PullBoard(screen, clock, ['a', 'b']);
    board.show(0, 'a', half);
    board.show(1, 'b', half);
    expect(written).toHaveLength(1);
    clock.advance(100);
    board.show(1, 'b', half);
    board.show(0, 'a', done);
    expect(written).toHaveLength(3);
    expect(written[0]).toContain('50% ██████████░░░░░░░░░░ 1.0 GB/2.0 GB');
    const [first, second] = written[2]?.split('\n') ?? [];
    expect(first).toBe(`\u001b[2A\r\u001b[K${'a'.padEnd(16)} success`);
    expect(second).toContain(`\r\u001b[K${'b'.padEnd(16)}  50%`);
  });

  it('writes a line per change of state elsewhere', () => {
    const written: string[] = [];
    const board = new PullBoard({ write: (text) => written.push(text) }, steppedClock(), ['a']);
    for (const progress of [half, half, done]) board.show(0, 'a', progress);
    expect(written).toEqual(['a: pulling aa (2.0 GB)\n', 'a: success (2.0 GB)\n']);
  });
});

describe('the commands about one model', () => {
  it.each(['pull', 'rm', 'unload'] as const)('%s takes MODEL anywhere among its options', (command) => {
    const typed = findCommand([command, '--on', 'attic', 'llama3', '--data-dir=x']);
    expect(typed.command).toBe(command);
    expect(readFlags(command, typed.args)).toEqual({
      flags: { on: 'attic', 'data-dir': 'x' },
      model: 'llama3',
    });
  });

  it.each([
    ['pull', [], 'MODEL is missing: usage: ollana pull MODEL [--on SERVER | --all]'],
    ['rm', ['a', 'b'], 'unexpected argument "b"'],
    ['unload', ['a b'], '"a b" is no name of a model: usage: ollana unload MODEL'],
    ['rm', [''], '"" is no name of a model'],
    ['pull', ['m', '--al'], 'unknown option "--al": did you mean --all?'],
    ['rm', ['m', '--all'], '"ollana rm" has no option --all: it belongs to "ollana pull"'],
    ['models', ['m'], 'unexpected argument "m"'],
  ] as const)('%s %j is refused', (command, args, message) => {
    expect(() => readFlags(command, args)).toThrow(message);
  });
});

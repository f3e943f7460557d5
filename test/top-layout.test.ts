import { describe, expect, it } from 'vitest';
import { columnsOf } from '../src/cli/text.ts';
import { fitColumns, shareRows } from '../src/cli/top/fit.ts';
import { afterEvent, type Known, type Link } from '../src/cli/top/known.ts';
import { topLines } from '../src/cli/top/layout.ts';
import { sparkLine } from '../src/cli/top/spark.ts';
import type { LoadView, ServerView } from '../src/dashboard/view.ts';

const LIVE: Link = { type: 'live' };
const WALL = Date.parse('2026-01-01T12:00:00');

function server(name: string, more: Partial<ServerView> = {}, load: Partial<LoadView> = {}): Known {
  const url = `http://${name}.example:11435`;
  const view: ServerView = {
    ...{ name, url, kind: 'ollana', sources: ['udp'], verdict: 'reliable', reason: null, since: '' },
    ...{ version: '0.17.4', models: 3, loaded: [], machine: null },
    ...more,
  };
  const busy: LoadView = { inFlight: 0, latencyMs: 1, queued: 0, busy: [], ...load };
  return { [`server:${url}`]: view, [`load:${url}`]: busy } as Known;
}

const busy = (model: string, active: number, queued: number, decodePerS: number | null = 30) => ({
  ...{ model, active, queued, slots: 2, loading: false, decodePerS, prefillPerS: null },
});
const loaded = (name: string) => ({ name, sizeVram: 2e9, contextLength: 4096 });

const ended = (id: string, more: object = {}) => ({
  ...{ id, at: WALL - 1000, model: 'llama3.2', server: 'attic', outcome: 'completed', durationMs: 2500 },
  ...{ firstByteMs: 120, tokens: 80, tokensPerS: 33.6, app: 'editor', error: null },
  ...more,
});

const steps = (...last: number[]) => [...Array.from({ length: 60 - last.length }, () => 0), ...last];
const USUAL = {
  daemon: {
    ...{ mode: 'client', name: 'laptop', version: '0.1.0', url: 'http://127.0.0.1:11435' },
    ...{ startedAt: '', pairing: 'open', inFlight: 1 },
  },
  pulse: { at: 0, requests: steps(1, 2), tokens: steps(80, 160), failed: steps() },
  running: [{ id: 'r', at: WALL - 3200, model: 'qwen3', server: 'attic' }],
  recent: [ended('a'), ended('b', { outcome: 'failed', tokens: null, tokensPerS: null, error: 'no memory' })],
  ...server(
    'attic',
    {
      loaded: [loaded('llama3.2:latest'), loaded('qwen3:latest')],
      machine: { gpus: [{ freeBytes: 8.2e9 }, { freeBytes: 1e9 }], memory: null } as never,
    },
    { inFlight: 1, queued: 4, busy: [busy('llama3.2:latest', 0, 0, 40), busy('qwen3:latest', 2, 4)] },
  ),
  ...server(
    'cellar',
    { verdict: 'unreliable', version: null, machine: { gpus: [], memory: { freeBytes: 12e9 } } as never },
    { queued: null },
  ),
} as unknown as Known;

const draw = (known: Known, columns: number, rows: number, link: Link = LIVE) =>
  topLines({ known, link, wall: WALL }, { columns, rows });
const text = (...args: Parameters<typeof draw>) => draw(...args).map((line) => line.text);

describe('the screen of ollana top', () => {
  it('shows all there is on 80 columns and 24 rows', () => {
    expect(text(USUAL, 80, 24)).toEqual([
      'ollana 0.1.0, client mode, laptop, http://127.0.0.1:11435',
      `2 servers  2 running  4 waiting  3 requests/min  4.0 tok/s  ${'▁'.repeat(18)}▅█`,
      '',
      'SERVER             VERDICT       OLLAMA     LOADED  RUN QUEUE  TOK/S        FREE',
      'attic              reliable      0.17.4          2    2     4   30.0  9.2 GB GPU',
      'cellar             unreliable    -               0    0     -      -   12 GB RAM',
      '',
      'MODEL                     RUN QUEUE SLOTS  TOK/S    VRAM LOADED ON',
      'qwen3:latest                2     4     2   30.0  2.0 GB attic',
      'llama3.2:latest             0     0     2   40.0  2.0 GB attic',
      '',
      'TIME     REQUEST    MODEL             SERVER          FIRST  WHOLE    TOK  TOK/S',
      '11:59:56 running    qwen3             attic               -  3.20s      -      -',
      '11:59:59 completed  llama3.2          attic           0.12s  2.50s     80   33.6',
      '11:59:59 failed     llama3.2          attic           0.12s  2.50s      -      -',
      ...Array.from({ length: 8 }, () => ''),
      'q ends it',
    ]);
    const bold = draw(USUAL, 80, 24).filter(({ style }) => style === 'bold');
    expect(bold.map((line) => line.text.split(' ')[0])).toEqual(['ollana', 'cellar', '11:59:59']);
  });

  it('has more columns where there is room, down to the name and the work where there is none', () => {
    expect(text(USUAL, 140, 24).join('\n')).toMatch(
      /ADDRESS\n.* attic\.example:11435\n[\s\S]*failed .* no memory\n/,
    );
    expect(text(USUAL, 24, 24)).toContain('attic            2     4');
    expect(text(USUAL, 24, 24)).toContain('SERVER         RUN QUEUE');
  });

  it('leaves out models, then requests, where rows are few, and says how many are not shown', () => {
    const many = Object.assign(
      {},
      USUAL,
      ...Array.from({ length: 50 }, (_, i) => server(`s${String(i).padStart(2, '0')}`)),
    ) as Known;
    const tall = text(many, 80, 24);
    expect(tall).toHaveLength(24);
    // Those that matter first: at work, in trouble.
    const at = tall.findIndex((line) => line.startsWith('SERVER'));
    expect(tall.slice(at + 1, at + 4).map((line) => line.split(' ')[0])).toEqual(['attic', 'cellar', 's00']);
    expect(tall.find((line) => /^\.\.\. and \d+ more$/.test(line))).toBeDefined();
    expect(text(many, 80, 12).join('\n')).not.toContain('LOADED ON');
    expect(text(many, 80, 12).join('\n')).toContain('running    qwen3');
    expect(text(many, 80, 8).join('\n')).not.toContain('TIME');
    expect(text(many, 80, 8)[4]).toMatch(/^cellar/);
    expect(text(many, 80, 200)).not.toContain('... and 1 more');
  });

  it('says what is the matter: no daemon, no server, a problem', () => {
    const lost: Link = { type: 'lost', since: WALL, reason: 'it does not run' };
    expect(text(USUAL, 80, 24, lost)[2]).toBe(
      'Lost ollana at 12:00:00 (it does not run); looking for it every second',
    );
    expect(text(USUAL, 80, 24, lost)).toContain(text(USUAL, 80, 24)[4]);
    expect(text({}, 80, 24, { type: 'connecting' }).slice(0, 6)).toEqual([
      'ollana',
      '0 servers  0 running  0 waiting  0 requests/min  0 tok/s',
      'Connecting ...',
      '',
      'SERVER             VERDICT       OLLAMA     LOADED  RUN QUEUE  TOK/S        FREE',
      'none found: ollana discover',
    ]);
    const problem = (severity: string, title: string) => ({ severity, title });
    const health = {
      score: 60,
      problems: [problem('critical', 'no server answers'), problem('warning', 'x')],
    };
    const ill = { ...USUAL, health } as unknown as Known;
    expect(text(ill, 80, 24)[0]).toMatch(/^ollana .* +health 60$/);
    expect(text(ill, 80, 24)[2]).toBe('critical: no server answers (and 1 more: ollana health)');
  });

  it('fits every size, and stays plain text, whatever peers are called', () => {
    const evil = '\u001b]0;t\u0007\u001b[31m\u009b2J\u202e漢字🙂e\u0301\r\n'.repeat(30);
    const known = {
      daemon: { mode: evil, name: evil, version: evil, url: evil, inFlight: 1 },
      health: { score: 1, problems: [{ severity: evil, title: evil }] },
      running: [{ id: evil, at: Number.NaN, model: evil, server: evil }],
      recent: [
        ended(evil, { model: evil, server: evil, outcome: evil, app: evil, error: evil, tokens: 1e300 }),
      ],
      pulse: USUAL.pulse,
      ...server(
        evil,
        {
          version: evil,
          verdict: evil as never,
          loaded: [loaded(evil), { ...loaded('m'), sizeVram: 1e300 }],
        },
        { inFlight: 1e300, queued: 1e300, busy: [busy(evil, 1e300, 1e300, 1e300)] },
      ),
    } as unknown as Known;
    const lost: Link = { type: 'lost', since: WALL, reason: evil };
    for (const link of [LIVE, lost]) {
      for (const columns of [1, 2, 7, 20, 40, 79, 80, 81, 133, 400]) {
        for (const rows of [1, 2, 3, 5, 8, 9, 13, 20, 24, 70]) {
          const lines = text(known, columns, rows, link);
          expect(lines.length).toBeLessThanOrEqual(rows);
          for (const line of lines) {
            expect(columnsOf(line)).toBeLessThanOrEqual(columns);
            expect(line).not.toMatch(/\p{C}/u);
          }
        }
      }
    }
  });
});

describe('what is known', () => {
  it('is replaced by a whole, changed by a part, and stays for anything else', () => {
    const first = afterEvent({}, 'snapshot', { set: { a: 1, b: 2 }, gone: [] });
    expect(afterEvent(first, 'delta', { set: { b: 3, c: 4 }, gone: ['a'] })).toEqual({ b: 3, c: 4 });
    expect(afterEvent(first, 'beat', {})).toBe(first);
    expect(afterEvent(first, 'snapshot', { set: { d: 5 }, gone: [] })).toEqual({ d: 5 });
  });
});

describe('room', () => {
  it('is shared evenly, and what one does not want is the others', () => {
    expect(shareRows(14, [2, 50, 50])).toEqual([2, 6, 6]);
    expect(shareRows(2, [5, 5, 5])).toEqual([1, 1, 0]);
    expect(shareRows(100, [1, 2])).toEqual([1, 2]);
    expect(shareRows(3, [])).toEqual([]);
  });

  it('is filled by columns, of which the least needed goes first', () => {
    const column = (title: string, min: number, max: number, rank: number) => ({
      ...{ title, min, max, rank, align: 'left' as const },
      cell: () => '',
    });
    const columns = [column('a', 5, 10, 0), column('b', 5, 5, 2), column('c', 5, 99, 1)];
    const widths = (width: number) => fitColumns(columns, width).map((one) => `${one.title}${one.width}`);
    expect(widths(30)).toEqual(['a10', 'b5', 'c13']);
    expect(widths(16)).toEqual(['a8', 'c7']);
    expect(widths(10)).toEqual(['a10']);
    expect(widths(1)).toEqual(['a5']);
  });
});

it.each([
  [[0, 0, 0], 3, '▁▁▁'],
  [[0, 1, 1000], 3, '▁▂█'],
  [[9, 5, 10], 2, '▅█'],
  [[5], 10, '█'],
  [[], 10, ''],
  [[1, 2], 0, ''],
])('%j in %i columns is %j', (values, width, bars) => {
  expect(sparkLine(values, width)).toBe(bars);
});

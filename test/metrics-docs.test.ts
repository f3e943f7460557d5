import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { COUNTERS, GAUGES, HISTOGRAMS } from '../src/observe/metric-table.ts';
import { Metrics } from '../src/observe/metrics.ts';

const fileAt = (path: string): string => fileURLToPath(new URL(`../docs/${path}`, import.meta.url));
const ALERTS = fileAt('alerts.yml');

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard = JSON.parse(readFileSync(fileAt('grafana/ollana.json'), 'utf8')) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly query: string | { readonly query: string } }[] };
};
const alerts = readFileSync(ALERTS, 'utf8');

/** What Prometheus itself adds. */
const FOREIGN = ['up'];
/** Words of PromQL that look like names. */
const WORD = /\b(?:ollana|process|nodejs)_[a-z0-9_]+\b/g;

/** Every name under which samples are told. */
async function allNames(): Promise<Set<string>> {
  const metrics = new Metrics({
    clock: systemClock,
    version: '1',
    mode: 'client',
    servers: () => [],
    loads: () => [],
  });
  const families = [...(await metrics.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  const suffixes = (type: string) => (type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']);
  return new Set(families.flatMap(([, name, type = '']) => suffixes(type).map((end) => `${name}${end}`)));
}

/** Names of metrics in a text, and the labels that are used beside each. */
function uses(text: string): { readonly name: string; readonly labels: readonly string[] }[] {
  return [...text.matchAll(WORD)].map((match) => {
    const [, inside = ''] = /^\{([^}]*)\}/.exec(text.slice(match.index + match[0].length)) ?? [];
    const labels = [...inside.matchAll(/([a-z_]+)\s*(?:=~|!=|!~|=)/g)].map(([, label = '']) => label);
    return { name: match[0], labels };
  });
}

const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
const queries = dashboard.templating.list.map(({ query }) =>
  typeof query === 'string' ? query : query.query,
);
const rules = [...alerts.matchAll(/^ {6}- alert: (\w+)\n {8}expr:(.*(?:\n {10}.*)*)/gm)];

describe('the Grafana dashboard and the alert rules', () => {
  it('are read at all', () => {
    expect(expressions.length).toBeGreaterThan(20);
    expect(rules.length).toBe(alerts.match(/- alert:/g)?.length);
  });

  it('name metrics that exist, and no labels that those do not have', async () => {
    const names = await allNames();
    const rows = [...Object.values(COUNTERS), ...Object.values(HISTOGRAMS), ...Object.values(GAUGES)];
    const known = ['instance', 'job', 'le'];
    for (const { name, labels } of uses(
      [...expressions, ...queries, ...rules.map(([, , expr]) => expr)].join('\n'),
    )) {
      expect([...names, ...FOREIGN]).toContain(name);
      const row = rows.find(
        (one) => name === one.name || name.replace(/_(bucket|sum|count)$/, '') === one.name,
      );
      if (row) for (const label of labels) expect([...row.labels, ...known], name).toContain(label);
    }
  });

  it('leave no metric of ollana out of the dashboard', () => {
    const used = new Set(uses([...expressions, ...queries].join('\n')).map(({ name }) => name));
    const rows = [...Object.values(COUNTERS), ...Object.values(HISTOGRAMS), ...Object.values(GAUGES)];
    const missing = rows.filter(
      ({ name }) => ![...used].some((one) => one === name || one.startsWith(`${name}_`)),
    );
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  it('have parentheses that close', () => {
    for (const text of [...expressions, ...rules.map(([, , expr = '']) => expr)]) {
      let open = 0;
      for (const char of text.replace(/"[^"]*"/g, '')) {
        if ('({['.includes(char)) open += 1;
        if (')}]'.includes(char)) open -= 1;
        expect(open, text).toBeGreaterThanOrEqual(0);
      }
      expect(open, text).toBe(0);
    }
  });

  it('give every alert a severity and a remedy, every panel a place of its own', () => {
    expect(alerts.match(/remedy: "/g)?.length).toBe(rules.length);
    expect(alerts.match(/severity: (info|warning|critical)/g)?.length).toBe(rules.length);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of dashboard.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });

  const isThere = spawnSync('promtool', ['--version']).error === undefined;
  it('satisfy promtool', (context) => {
    if (!isThere) context.skip('promtool is not installed');
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', ALERTS], {
      encoding: 'utf8',
    });
    expect(status, `${stdout}${stderr}`).toBe(0);
  });
});

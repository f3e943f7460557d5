import { describe, expect, it } from 'vitest';
import { changeLine, healthText } from '../src/cli/health-text.ts';
import { healthReport } from '../src/observe/health/report.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { call } from './_api.ts';
import { cli, scratch } from './_cli.ts';
import { CLI, cleanEnvironment, startDaemon } from './_daemon.ts';
import { until } from './_deadline.ts';
import { TestProcess } from './_process.ts';

const problem = {
  id: 'server-offline:x',
  check: 'server-offline',
  subject: 'x',
  severity: 'warning',
  title: 'attic\u001b[31m is offline',
  seen: `http://10.0.0.7:11435: ${'very long reason '.repeat(40)}`,
  remedy: { command: `ollana serve -d ${'x'.repeat(100)}`, on: 'attic' },
  resolvedWhen: 'it answers',
  sinceMs: 0,
} as const;

describe('what is printed', () => {
  it('fits 80 columns but for commands, which stay whole, and steers no terminal', () => {
    const text = healthText(healthReport([problem], ['server-offline'], 0));
    const lines = text.split('\n');
    for (const line of lines.filter((one) => !one.includes('ollana serve')))
      expect(line.length).toBeLessThanOrEqual(80);
    expect(text).toContain(`  on attic: ollana serve -d ${'x'.repeat(100)}\n`);
    expect(text).toContain('WARNING: attic is offline (server-offline)');
    expect(text).not.toContain('\u001b');
    expect(lines.length).toBeLessThan(15);
  });

  it('says so when nothing is wrong, and when nothing has been looked at', () => {
    expect(healthText(healthReport([], ['a', 'b'], 5))).toBe(
      'Health 100 of 100: nothing is wrong, by 2 checks.\n',
    );
    expect(healthText(healthReport([], ['a'], undefined))).toContain('ask again');
    const [told] = healthReport([problem], [], 0).problems;
    if (told) expect(changeLine('ended', told)).toBe('solved: attic is offline');
  });
});

it('nobody runs: exit code 4', async () => {
  expect(await cli(['health', '--data-dir', scratch()])).toMatchObject({ code: 4 });
});

it('exit code 1 while something is critical, 0 after that; --watch tells of the change', {
  timeout: 120_000,
}, async () => {
  await using ollama = await startSimulatedOllama();
  await using daemon = await startDaemon({
    args: ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback', '--log-level', 'error'],
    startMs: 30_000,
  });
  const ask = ['health', '--data-dir', daemon.dataDir];
  const status = async () => (await call(daemon.url, '/dashboard/api/health')).json.status;
  await until(20_000, 'it to be found', async () => (await status()) === 'critical', 200);
  const bad = await cli(ask);
  expect(bad.code).toBe(1);
  expect(bad.stdout).toMatch(/^Health 70 of 100\.\n\nCRITICAL: no server answers \(no-server\)\n/);
  expect(bad.stdout).toContain('  here: ollana discover --explain\n');
  await using watch = new TestProcess(process.execPath, [CLI, ...ask, '--watch', '--json'], {
    env: cleanEnvironment(),
  });
  await until(15_000, 'the first report', () => watch.output.includes('"score":70'));
  await call(daemon.url, '/add_server', { method: 'POST', body: { url: ollama.url } });
  await until(40_000, 'the change', () => watch.output.includes('problem-ended'), 200);
  expect((await watch.stop('SIGINT')).code).toBe(0);
  const good = await cli([...ask, '--json']);
  expect(good.code).toBe(0);
  expect(JSON.parse(good.stdout)).toMatchObject({ score: 100, problems: [] });
});

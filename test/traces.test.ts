import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { openTraceFile } from '../src/observe/trace-file.ts';
import { readPage } from '../src/observe/trace-query.ts';
import { RETENTION, TraceStore } from '../src/observe/trace-store.ts';
import { Traces } from '../src/observe/traces.ts';
import { TestLog } from './_cluster-config.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { TestProcess } from './_process.ts';
import { aTrace, row } from './_traces.ts';

const never = () => false;
const HOUR = 3_600_000;

function tracesIn(dir: string, log = new TestLog()) {
  const path = join(dir, 'traces.db');
  return { path, log, traces: new Traces({ path, clock: systemClock, log }) };
}

describe('the file of traces', () => {
  it('keeps a request and finds it by the beginning of its id, the model, the server, the app and words', async () => {
    using folder = temporaryDirectory('traces');
    const { traces, path } = tracesIn(folder.path);
    await using _end = traces;
    for (let n = 1; n <= 60; n++) traces.keep(aTrace(n));
    const find = async (query: object) =>
      (await traces.ask({ type: 'page', query: { limit: 100, ...query } })).rows;
    expect(await find({ requestId: '0000000a' })).toMatchObject([
      { request_id: aTrace(10).requestId, status: 'failed', error_message: 'it broke', retry_count: 0 },
    ]);
    expect(await find({ model: 'llama3.2:1' })).toHaveLength(20);
    expect(await find({ model: 'llama3.2:1', server: 'attic', status: 'failed' })).toHaveLength(2);
    expect(await find({ app: 'app-3', search: 'BROKE' })).toHaveLength(0);
    expect(await find({ search: 'IT BROKE' })).toHaveLength(6);
    expect(await find({ since: Date.now() + HOUR })).toEqual([]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const first = await traces.ask({ type: 'page', query: { limit: 25 } });
    const second = await traces.ask({ type: 'page', query: { limit: 100, before: first.next ?? 0 } });
    const ids = [...first.rows, ...second.rows].map(({ id }) => id);
    expect(ids).toEqual(Array.from({ length: 60 }, (_, i) => 60 - i));
    expect(second.next).toBeNull();
    expect(await find({ after: 58 })).toHaveLength(2);
  });

  it('adds requests up by model, server, app, device, hour and day', async () => {
    using folder = temporaryDirectory('traces');
    const { traces } = tracesIn(folder.path);
    await using _end = traces;
    const at = Date.UTC(2026, 0, 31, 23, 30);
    for (let n = 1; n <= 12; n++) traces.keep(aTrace(n, { at: n <= 4 ? at : at + HOUR }));
    const by = async (key: 'model' | 'app' | 'hour' | 'day' | 'device') =>
      await traces.ask({ type: 'usage', query: { by: key, since: 0, offsetMin: 0 } });
    expect(await by('hour')).toMatchObject([
      { key: '2026-01-31T23:00:00.000Z', requests: 4, failed: 0, promptTokens: 1200, gpuSeconds: 4 },
      { key: '2026-02-01T00:00:00.000Z', requests: 8, failed: 1, completionTokens: 800, energyWh: null },
    ]);
    expect((await by('day')).map(({ key, requests }) => [key, requests])).toEqual([
      ['2026-01-31', 4],
      ['2026-02-01', 8],
    ]);
    expect((await by('model')).map(({ requests }) => requests)).toEqual([4, 4, 4]);
    expect(await by('device')).toMatchObject([{ key: '127.0.0.1', requests: 12 }]);
  });

  it('loses the last second at most and stays whole when its process is killed while it writes', async () => {
    using folder = temporaryDirectory('traces');
    const path = join(folder.path, 'traces.db');
    for (let round = 0; round < 2; round++) {
      const writer = new TestProcess(process.execPath, ['--import', 'tsx', 'test/_traces-writer.ts', path]);
      const lines = () => writer.stdout.trim().split('\n').slice(0, -1);
      await until(
        15_000,
        'a second and more of writing',
        () => lines().length > 150 && existsSync(`${path}.live.lock`),
      );
      writer.child.kill('SIGKILL');
      await writer.exited;
      const told = lines().map((line) => line.split(' ').map(Number));
      const [, killedAt = 0] = told.at(-1) ?? [];
      const due = told.filter(([, at = 0]) => at < killedAt - 1100).at(-1)?.[0] ?? 0;
      expect(existsSync(`${path}.live.lock`)).toBe(true);
      const store = new TraceStore({ path, isOther: never }, RETENTION);
      expect(store.db.get('PRAGMA integrity_check')).toEqual({ integrity_check: 'ok' });
      const [last] = readPage(store.db, { limit: 1 }).rows;
      expect(due).toBeGreaterThan(0);
      expect(Number.parseInt(String(last?.request_id).slice(0, 8), 16)).toBeGreaterThanOrEqual(due);
      store.close();
      expect(existsSync(`${path}.live.lock`)).toBe(false);
    }
  }, 60_000);

  it('is what it was before a commit in which its process was killed', () => {
    using folder = temporaryDirectory('traces');
    const path = join(folder.path, 'traces.db');
    const left = join(folder.path, 'left.db');
    const store = new TraceStore({ path, isOther: never }, RETENTION);
    store.add([row(1)]);
    store.db.exec('PRAGMA cache_spill=1; PRAGMA cache_size=1; BEGIN');
    for (let n = 0; n < 2000; n++)
      store.db.run("INSERT INTO usage_hours VALUES (?,'','','','',1,1,1,1,1,1,NULL)", n);
    // What a process leaves that is killed when all of a commit is written, and the journal still says that it is not.
    copyFileSync(`${path}.live-journal`, `${left}.live-journal`);
    store.db.exec('COMMIT');
    copyFileSync(path, left);
    store.close();
    const again = new TraceStore({ path: left, isOther: never }, RETENTION);
    expect(again.db.get('PRAGMA integrity_check')).toEqual({ integrity_check: 'ok' });
    expect(again.db.get('SELECT count(*) AS n FROM usage_hours')).toEqual({ n: 1 });
    again.add([row(2)]);
    again.close();
  });

  it('is not undone by a sqlite3 that reads it while a commit is under way', () => {
    if (spawnSync('sqlite3', ['--version']).status !== 0) return;
    using folder = temporaryDirectory('traces');
    const path = join(folder.path, 'traces.db');
    const store = new TraceStore({ path, isOther: never }, RETENTION);
    store.add([row(1)]);
    store.db.exec('PRAGMA cache_spill=1; PRAGMA cache_size=1; BEGIN');
    for (let n = 0; n < 200; n++)
      store.db.run("INSERT INTO usage_hours VALUES (?,'','','','',1,1,1,1,1,1,NULL)", n);
    expect(statSync(`${path}.live-journal`).size).toBeGreaterThan(0);
    spawnSync('sqlite3', [path, 'SELECT count(*) FROM request_traces']);
    store.db.exec('COMMIT');
    expect(store.db.get('PRAGMA integrity_check')).toEqual({ integrity_check: 'ok' });
    expect(store.db.get('SELECT count(*) AS n FROM usage_hours')).toEqual({ n: 201 });
    store.close();
    const read = spawnSync('sqlite3', [path, 'SELECT count(*) FROM usage_hours'], { encoding: 'utf8' });
    expect(read.stdout.trim()).toBe('201');
  });

  it('stays below its size and its age, oldest first, and keeps hours for longer', () => {
    using folder = temporaryDirectory('traces');
    const path = join(folder.path, 'traces.db');
    const maxBytes = 2 * 1024 * 1024;
    const store = new TraceStore({ path, isOther: never }, { ...RETENTION, maxBytes });
    const now = Date.now();
    store.add(Array.from({ length: 600 }, (_, n) => row(n, { at: now - 31 * 24 * HOUR })));
    store.add([row(601)]);
    while (store.prune(now));
    expect(readPage(store.db, { limit: 1000 }).rows.length).toBeLessThanOrEqual(101);
    for (let round = 0; round < 60; round++) {
      store.add(Array.from({ length: 200 }, (_, n) => row(1000 + round * 200 + n)));
    }
    expect(statSync(path).size).toBeLessThan(maxBytes);
    expect(readPage(store.db, { limit: 1 }).rows).toMatchObject([{ request_id: row(12_999).cells[0] }]);
    const hours = () => Number(store.db.get('SELECT sum(requests) AS n FROM usage_hours')?.n);
    expect(hours()).toBe(12_601);
    while (store.prune(now + 401 * 24 * HOUR));
    expect(hours()).toBe(0);
    store.close();
  });

  it('is one daemon’s at a time, and a newer version’s is left alone', () => {
    using folder = temporaryDirectory('traces');
    const path = join(folder.path, 'traces.db');
    writeFileSync(`${path}.pid`, '4242\n');
    expect(() => openTraceFile({ path, isOther: (pid) => pid === 4242 })).toThrow(/pid 4242 writes it/);
    const store = new TraceStore({ path, isOther: never }, RETENTION);
    store.db.exec('PRAGMA user_version=99');
    store.close();
    expect(() => new TraceStore({ path, isOther: never }, RETENTION)).toThrow(/newer ollana/);
  });

  it('says once that it cannot be written, loses rows and answers that it cannot be read', async () => {
    using folder = temporaryDirectory('traces');
    const { traces, log, path } = tracesIn(join(folder.path, 'gone'));
    await using _end = traces;
    traces.keep(aTrace(1));
    await until(10_000, 'the loss', () => traces.lost === 1);
    traces.keep(aTrace(2));
    await until(10_000, 'another loss', () => traces.lost === 2);
    expect(log.lines.map(({ level, message }) => [level, message.slice(0, 23)])).toEqual([
      ['error', 'requests cannot be kept'],
    ]);
    await expect(traces.ask({ type: 'page', query: { limit: 1 } })).rejects.toMatchObject({ status: 503 });
    expect(existsSync(path)).toBe(false);
  });

  it('puts a file aside that is no database', async () => {
    using folder = temporaryDirectory('traces');
    const { traces, log, path } = tracesIn(folder.path);
    await using _end = traces;
    writeFileSync(path, 'hello '.repeat(2000));
    traces.keep(aTrace(1));
    const { rows } = await traces.ask({ type: 'page', query: { limit: 9 } });
    expect(rows).toHaveLength(1);
    expect(readFileSync(`${path}.broken`, 'utf8')).toContain('hello');
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { kept: 'traces.db.broken' } }]);
  });
});

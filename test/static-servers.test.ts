import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DiscoveryNotice } from '../src/discovery/notice.ts';
import { ServerFile } from '../src/discovery/server-file.ts';
import { parseServerList } from '../src/discovery/server-list.ts';
import { parseServer, StaticServers } from '../src/discovery/static.ts';
import { ManualClock, Sightings } from './_beacon.ts';
import { until } from './_deadline.ts';

test.each([
  ['http://192.168.1.5:11434', { url: 'http://192.168.1.5:11434' }],
  ['http://192.168.1.5:11434=big', { url: 'http://192.168.1.5:11434', name: 'big' }],
  ['gpu1:11435', { url: 'http://gpu1:11435' }],
  ['gpu1:11435=the one = upstairs', { url: 'http://gpu1:11435', name: 'the one = upstairs' }],
  ['https://gpu.example/ollama/', { url: 'https://gpu.example/ollama' }],
  ['http://[fd00::5]:11434=six', { url: 'http://[fd00::5]:11434', name: 'six' }],
  ['[fd00::5]:11434', { url: 'http://[fd00::5]:11434' }],
])('%s is a server', (text, server) => {
  expect(parseServer(text)).toEqual(server);
});

test.each([
  ['gpu1', /bad server "gpu1": .*port.*http:\/\/gpu1:11435/], // 11434 and 11435 are both plausible
  ['', /bad server ""/],
  ['ftp://gpu1:21', /bad server "ftp:\/\/gpu1:21"/],
  ['http://user:secret@gpu1:11434', /bad server/],
  ['http://gpu1:99999', /bad server/],
  ['http://gpu1:11434?x', /bad server/],
])('%s is refused with a remedy on one line', (text, message) => {
  expect(() => parseServer(text)).toThrow(expect.objectContaining({ code: 'OLLANA_BAD_OPTION' }));
  expect(() => parseServer(text)).toThrow(message);
  expect(() => parseServer(`${text}\n\u001b[2J`)).toThrow(/^\P{Cc}*$/u);
});

test('static servers are claimed once, for good', async () => {
  const sightings = new Sightings();
  const source = new StaticServers({
    servers: ['gpu1:11435=one', 'http://gpu2:11434'],
    onSighting: sightings.add,
  });
  await Promise.all([source.start(), source.start()]);
  source.refresh();
  expect(sightings.all).toMatchObject([
    { source: 'static', url: 'http://gpu1:11435', name: 'one', leaseMs: Number.POSITIVE_INFINITY },
    { source: 'static', url: 'http://gpu2:11434', leaseMs: Number.POSITIVE_INFINITY },
  ]);
  await source[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
  await source.start();
  expect(sightings.all).toHaveLength(2);
});

test('a bad static server is refused before anything starts', () => {
  const onSighting = () => {};
  expect(() => new StaticServers({ servers: ['gpu1:11435', 'nonsense'], onSighting })).toThrow(
    /bad server "nonsense"/,
  );
});

test('a list has comments, blank lines and either line end, and bad lines are told by number', () => {
  const text =
    '\uFEFF# GPUs\r\n\r\ngpu1:11435=one\r\n  http://gpu2:11434  \nnonsense\n  # more\ngpu1:11435=again\n';
  const { servers, bad } = parseServerList(text);
  expect([...servers.values()]).toEqual([
    { url: 'http://gpu1:11435', name: 'one' },
    { url: 'http://gpu2:11434' },
  ]);
  expect(bad).toEqual([
    { line: 5, reason: expect.stringContaining('http://nonsense:11435') },
    { line: 7, reason: expect.stringContaining('already') },
  ]);
});

test('a list ends after a thousand lines', () => {
  const lines = Array.from({ length: 1000 }, (_, i) => `gpu${i}:11435`);
  expect(parseServerList(`${lines.join('\n')}\n`).bad).toEqual([]);
  const { servers, bad } = parseServerList([...lines, 'one-more:11435', 'and-another:11435'].join('\n'));
  expect([servers.size, bad]).toEqual([1000, [{ line: 1001, reason: expect.stringContaining('1000') }]]);
});

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ollana-servers-'));
});
afterEach(() => rm(directory, { recursive: true }));

function follow(name = 'servers.txt') {
  const clock = new ManualClock();
  const sightings = new Sightings();
  const notices: DiscoveryNotice[] = [];
  const file = join(directory, name);
  const source = new ServerFile({
    file,
    clock,
    onSighting: sightings.add,
    onNotice: (notice) => notices.push(notice),
  });
  const seen = () => sightings.all.map(({ url, name: called, leaseMs }) => [url, called, leaseMs]);
  return { clock, sightings, notices, file, source, seen };
}

test('a server file is followed: new lines are sightings, removed ones goodbyes', async () => {
  const { clock, file, source, seen, notices } = follow();
  await using _ = source;
  await writeFile(file, 'gpu1:11435\ngpu2:11435=two\n');
  await Promise.all([source.start(), source.start()]);
  expect(seen()).toEqual([
    ['http://gpu1:11435', undefined, Number.POSITIVE_INFINITY],
    ['http://gpu2:11435', 'two', Number.POSITIVE_INFINITY],
  ]);
  await writeFile(file, 'gpu1:11435\ngpu2:11435=zwei\nnonsense\ngpu3:11435\n');
  clock.advance(1000);
  await until(2000, 'the new lines', () => seen().length === 4);
  expect(seen().slice(2)).toEqual([
    ['http://gpu2:11435', 'zwei', Number.POSITIVE_INFINITY],
    ['http://gpu3:11435', undefined, Number.POSITIVE_INFINITY],
  ]);
  expect(notices).toMatchObject([{ type: 'bad-line', file, line: 3 }]);
  // As editors save: a new file in the place of the old one.
  await writeFile(join(directory, 'new'), 'gpu1:11435\n');
  await rename(join(directory, 'new'), file);
  clock.advance(1000);
  await until(2000, 'the goodbyes', () => seen().length === 6);
  expect(seen().slice(4)).toEqual([
    ['http://gpu2:11435', 'zwei', 0],
    ['http://gpu3:11435', undefined, 0],
  ]);
});

test('a server file that an editor empties before it writes it loses nothing; one that stays empty, all', async () => {
  const { clock, file, source, seen } = follow();
  await using _ = source;
  await writeFile(file, 'gpu1:11435\n');
  await source.start();
  // Gives a look the time to end: that it changed nothing is not to be seen from outside.
  const look = async () => {
    clock.advance(1000);
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  await writeFile(file, '');
  await look();
  await look();
  await writeFile(file, 'gpu1:11435\ngpu2:11435\n');
  await look();
  await until(2000, 'the new line', () => seen().length === 2);
  expect(seen()[1]).toEqual(['http://gpu2:11435', undefined, Number.POSITIVE_INFINITY]);
  // The two seconds begin anew.
  await writeFile(file, '\n');
  await look();
  await look();
  expect(seen()).toHaveLength(2);
  await until(2000, 'the goodbyes', () => {
    clock.advance(1000);
    return seen().length === 4;
  });
  expect(seen().slice(2)).toEqual([
    ['http://gpu1:11435', undefined, 0],
    ['http://gpu2:11435', undefined, 0],
  ]);
});

test('a server file that goes away is said once, and its servers stay until it is back', async () => {
  const { clock, file, source, seen, notices } = follow();
  await using _ = source;
  await writeFile(file, 'gpu1:11435\n');
  await source.start();
  await rm(file);
  clock.advance(1000);
  await until(2000, 'the notice', () => notices.length === 1);
  source.refresh();
  await writeFile(file, 'gpu2:11435\n');
  await until(2000, 'the new content', () => {
    source.refresh();
    return seen().length === 3;
  });
  expect(notices).toMatchObject([
    { type: 'file-unreadable', file, reason: expect.stringContaining('ENOENT') },
  ]);
  expect(seen().slice(1)).toEqual([
    ['http://gpu1:11435', undefined, 0],
    ['http://gpu2:11435', undefined, Number.POSITIVE_INFINITY],
  ]);
});

test('a server file that is missing, a directory or far too large refuses to start', async () => {
  const unreadable = expect.objectContaining({ code: 'OLLANA_UNREADABLE_FILE' });
  const missing = follow('missing');
  await expect(missing.source.start()).rejects.toThrow(unreadable);
  await expect(missing.source.start()).rejects.toThrow(/missing.*--server-file/);
  await expect(follow('.').source.start()).rejects.toThrow(/not a regular file/);
  const large = follow('large');
  await writeFile(large.file, '#'.repeat(1024 * 1024 + 1));
  await expect(large.source.start()).rejects.toThrow(/1048577 bytes/);
  expect(missing.clock.pending).toBe(0);
});

test('a disposed server file reports nothing and leaves no timer', async () => {
  const { clock, file, source, sightings } = follow();
  await writeFile(file, 'gpu1:11435\n');
  const starting = source.start();
  await source[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
  await starting;
  source.refresh();
  clock.advance(10_000);
  expect([sightings.all.length, clock.pending]).toEqual([0, 0]);
});

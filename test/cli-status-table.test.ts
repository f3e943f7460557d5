import { describe, expect, it } from 'vitest';
import { statusTable } from '../src/cli/status-table.ts';
import { columnsOf, inColumn, plainText } from '../src/cli/text.ts';
import type { ServerStatus, StatusReport } from '../src/daemon/status.ts';

const SERVER: ServerStatus = {
  deviceId: 'd1',
  name: 'attic',
  url: 'http://192.168.1.20:11435',
  kind: 'ollana',
  sources: ['udp'],
  verdict: 'reliable',
  since: '2026-01-01T00:00:00.000Z',
  models: ['a', 'b'],
  loaded: ['a'],
  inFlight: 3,
  latencyMs: 1.234,
};
const REPORT: StatusReport = {
  mode: 'client',
  version: '0.1.0',
  pid: 42,
  url: 'http://127.0.0.1:11435',
  deviceId: 'me',
  name: 'laptop',
  startedAt: '2026-01-01T00:00:00.000Z',
  inFlight: 3,
  servers: [SERVER],
  pairing: 'required',
};
const linesOf = (report: StatusReport) => statusTable(report).split('\n');

describe('the status table', () => {
  it('has a line for each server, and the reasons after', () => {
    const away: ServerStatus = {
      ...SERVER,
      name: 'cellar',
      verdict: 'second-chance',
      reason: 'connection refused',
      latencyMs: null,
    };
    expect(linesOf({ ...REPORT, servers: [SERVER, away] })).toEqual([
      'ollana 0.1.0, client mode, laptop (pid 42)',
      'http://127.0.0.1:11435, 3 in flight, since 2026-01-01T00:00:00.000Z',
      '',
      'NAME             ADDRESS               VERDICT       MODELS LOADED BUSY LATENCY',
      'attic            192.168.1.20:11435    reliable           2      1    3  1.2 ms',
      'cellar           192.168.1.20:11435    second-chance      2      1    3       -',
      '',
      'cellar is second-chance: connection refused',
      '',
    ]);
  });

  it('breaks a long reason between words, into three lines at most', () => {
    const server: ServerStatus = { ...SERVER, verdict: 'unreliable', reason: 'words '.repeat(100).trim() };
    const lines = linesOf({ ...REPORT, servers: [server] }).slice(6, -1);
    expect(lines).toHaveLength(3);
    expect(lines.join(' ')).toMatch(/^attic is unreliable: (words )+words$/);
  });

  it('says what to do while there is no server', () => {
    expect(statusTable({ ...REPORT, servers: [] })).toContain('ollana serve');
  });

  it('says how the Ollama behind a server-mode daemon is', () => {
    const report: StatusReport = {
      ...REPORT,
      mode: 'server',
      servers: [],
      ollama: { url: 'http://127.0.0.1:11434', up: false, reason: 'connection refused' },
    };
    expect(linesOf(report)).toContain('Ollama http://127.0.0.1:11434: down: connection refused');
    expect(statusTable(report)).not.toContain('No server');
  });

  it('says in server mode whom the other servers are for', () => {
    const ollama = { url: 'http://127.0.0.1:11434', up: true };
    const own: ServerStatus = { ...SERVER, name: 'laptop', url: ollama.url, kind: 'ollama' };
    const report: StatusReport = { ...REPORT, mode: 'server', ollama, servers: [SERVER, own] };
    expect(linesOf(report).slice(2, 7)).toEqual([
      'Ollama http://127.0.0.1:11434: up',
      '',
      'Apps here may use all of these; other machines only the Ollama of this one:',
      'NAME             ADDRESS               VERDICT       MODELS LOADED BUSY LATENCY',
      'attic            192.168.1.20:11435    reliable           2      1    3  1.2 ms',
    ]);
    expect(statusTable({ ...report, servers: [own] })).not.toContain('Apps here');
  });

  it('fits 80 columns and stays plain text whatever the network calls itself', () => {
    const hostile = `\u001b]0;title\u0007\u001b[31m${'漢字🙂\u0301\u202e'.repeat(40)}\r\nsecond line\u009b2J`;
    const server: ServerStatus = {
      ...SERVER,
      name: hostile,
      url: `http://${hostile}`,
      verdict: 'unreliable',
      reason: hostile,
      models: Array.from({ length: 1_000_000 }, () => ''),
      inFlight: 12_345,
      latencyMs: 123_456.7,
    };
    const table = statusTable({ ...REPORT, name: hostile, url: hostile, servers: [server, SERVER] });
    const lines = table.split('\n');
    expect(lines).toHaveLength(linesOf(REPORT).length + 5);
    for (const line of lines) {
      expect(columnsOf(line)).toBeLessThanOrEqual(80);
      expect(line).not.toMatch(/\p{Cc}|\p{Cf}/u);
    }
  });
});

describe('text in a column', () => {
  it.each([
    ['abc', 5, 'abc  '],
    ['abcdef', 5, 'abcd…'],
    ['漢字漢字', 5, '漢字…'],
    ['漢字漢', 4, '漢… '],
    ['e\u0301e\u0301', 3, 'e\u0301e\u0301 '],
    ['', 2, '  '],
  ])('%j in %i columns is %j', (text, width, shown) => {
    expect(inColumn(text, width)).toBe(shown);
  });

  it.each([
    ['\u001b[1;31mred\u001b[0m', 'red'],
    ['a\tb\nc\u2028d', 'abcd'],
    ['\u202egpj.exe', 'gpj.exe'],
    ['grün', 'grün'],
  ])('%j is shown as %j', (text, shown) => {
    expect(plainText(text)).toBe(shown);
  });
});

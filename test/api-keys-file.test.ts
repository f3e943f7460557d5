import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hashOf, matchingKey, newKey, readKeys, writeKeys } from '../src/security/api-key.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { bearer } from './_api-keys.ts';
import { cli, scratch } from './_cli.ts';
import { startDaemon } from './_daemon.ts';
import { ask, chat } from './_simulate-client.ts';

describe('the file of keys', () => {
  it('is found by the right key only, and says nothing about it', () => {
    const keys = Array.from({ length: 50 }, (_, i) => ({ key: newKey(), name: `k${i}` }));
    const kept = keys.map(({ key, name }) => ({ name, hash: hashOf(key), since: '' }));
    for (const { key, name } of keys) expect(matchingKey(kept, key)?.name).toBe(name);
    expect(matchingKey(kept, newKey())).toBeUndefined();
    expect(matchingKey(kept, kept[0]!.hash)).toBeUndefined();
    const text = writeKeys(kept);
    for (const { key } of keys) expect(text).not.toContain(key.slice(7, 30));
    expect(readKeys(text)).toEqual(kept);
  });

  it.each([
    'null',
    '[]',
    '{"version":2,"keys":[]}',
    '{"version":1,"keys":[{"name":"a","hash":"xyz"}]}',
    `{"version":1,"keys":[{"hash":"${'0'.repeat(64)}"}]}`,
    `{"version":1,"keys":[{"name":"a","hash":"${'0'.repeat(64)}","models":[]}]}`,
    `{"version":1,"keys":[{"name":"a","hash":"${'0'.repeat(64)}","models":"m"}]}`,
    `{"version":1,"keys":[{"name":"a","hash":"${'0'.repeat(64)}","rate":"lots"}]}`,
  ])('is refused whole where a part makes no sense: %s', (text) => {
    expect(() => readKeys(text)).toThrow();
  });
});

describe('ollana key', () => {
  it('adds, lists and removes keys of a running ollana, for this user only', {
    timeout: 60_000,
  }, async () => {
    await using ollama = await startSimulatedOllama();
    await using daemon = await startDaemon({
      args: [
        'serve',
        '--ollama',
        ollama.url,
        '--host',
        '127.0.0.1',
        '--port',
        '0',
        '--require-key',
        '--no-udp',
        '--no-mdns',
      ],
    });
    const dir = ['--data-dir', daemon.dataDir];
    const run = (key: string) => ask(daemon, '/api/chat', chat('simulated', 'x'), bearer(key));
    const added = await cli([
      'key',
      'add',
      'my editor',
      '--rate',
      '60/min',
      '--models',
      'simulated,other',
      ...dir,
    ]);
    expect(added.code).toBe(0);
    const key = added.stdout.trim();
    expect(key).toMatch(/^ollana_[A-Za-z0-9_-]{43}$/);
    expect(added.stderr).toContain('not shown again');
    expect((await run(key)).status).toBe(200);
    const file = join(daemon.dataDir, 'keys.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).not.toContain(key.slice(7));
    const listed = await cli(['key', 'list', ...dir]);
    expect(listed.stdout).toMatch(/my editor +\d{4}-\d\d-\d\d 60\/min +simulated, other/);
    const parsed = JSON.parse((await cli(['key', 'list', '--json', ...dir])).stdout);
    expect(parsed).toMatchObject([{ name: 'my editor', rate: '60/min', models: ['simulated', 'other'] }]);
    expect(JSON.stringify(parsed)).not.toContain(hashOf(key));
    // Its own commands need none.
    expect(await cli(['unload', 'simulated', ...dir])).toMatchObject({ code: 0 });
    const command = readFileSync(join(daemon.dataDir, 'command-key'), 'utf8').trim();
    expect(statSync(join(daemon.dataDir, 'command-key')).mode & 0o777).toBe(0o600);
    expect((await cli(['key', 'remove', 'MY EDITOR', ...dir])).code).toBe(0);
    expect((await run(key)).status).toBe(401);
    const sent = JSON.stringify(ollama.seen.map(({ rawHeaders }) => rawHeaders));
    expect(sent).not.toContain(key);
    expect(sent).not.toContain(command);
    expect(daemon.process.output).not.toContain(key.slice(7));
    expect(daemon.process.output).not.toContain(command.slice(7));
  });

  it.each([
    { args: [], says: 'give add NAME, list or remove NAME' },
    { args: ['ad', 'x'], says: 'did you mean add?' },
    { args: ['add'], says: 'NAME is missing' },
    { args: ['remove', 'x'], says: 'there is no key called "x"' },
    { args: ['list', 'x'], says: 'unexpected argument "x"' },
    { args: ['add', 'x', 'y'], says: 'unexpected argument "y"' },
    { args: ['add', 'x', '--rate', 'often'], says: 'give a rate such as 60/min' },
    { args: ['add', 'x\ny'], says: 'is no key' },
    { args: ['list', '--models', 'm'], says: 'belong to `ollana key add`' },
  ])('says what is wrong with $args', async ({ args, says }) => {
    const end = await cli(['key', ...args, '--data-dir', scratch()]);
    expect(end).toMatchObject({ code: 2, stdout: '' });
    expect(end.stderr).toContain(says);
    expect(end.stderr.trim().split('\n')).toHaveLength(1);
  });
});

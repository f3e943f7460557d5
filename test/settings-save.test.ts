import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { changeConfigFile } from '../src/config/change-file.ts';
import { setTomlKey } from '../src/config/toml-edit.ts';
import { call } from './_api.ts';
import { startDaemon, temporaryDirectory } from './_daemon.ts';
import { ALONE, OUTSIDE, startConfigured } from './_settings.ts';

describe('a key of a file', () => {
  const TEXT = [
    '# mine, keep',
    '"hold" = 30 # slow laptop',
    'udp=false',
    '',
    'server = [',
    '  "http://a:1=one", # the attic',
    '  "b:2",',
    '] # two of them',
    "name = '''",
    'hold = 7',
    "'''",
  ].join('\n');

  it('is changed where it stands, and everything else stays', () => {
    expect(setTomlKey(TEXT, 'hold', '45s')).toBe(TEXT.replace('= 30 #', '= "45s" #'));
    expect(setTomlKey(TEXT, 'udp', true)).toBe(TEXT.replace('udp=false', 'udp=true'));
    expect(setTomlKey(TEXT, 'server', ['c:3'])).toBe(
      TEXT.replace(/server = \[[^\]]*\]/, '# the attic\nserver = [ "c:3" ]'),
    );
  });

  it('is appended, or taken out without its comment', () => {
    expect(setTomlKey(TEXT, 'log-level', 'debug')).toBe(`${TEXT}\nlog-level = "debug"\n`);
    expect(setTomlKey('', 'hold', 5)).toBe('hold = 5\n');
    expect(setTomlKey(TEXT, 'hold', undefined)).toBe(TEXT.replace('"hold" = 30 # slow', '# slow'));
    expect(setTomlKey(TEXT, 'udp', undefined)).toBe(TEXT.replace('udp=false\n', ''));
    expect(setTomlKey(TEXT, 'policy', undefined)).toBe(TEXT);
  });

  it('keeps line ends, a byte order mark, and what only looks like the key', () => {
    expect(setTomlKey('\uFEFFudp = true\r\nhold = 3 #x\r\n', 'hold', '5s')).toBe(
      '\uFEFFudp = true\r\nhold = "5s" #x\r\n',
    );
    expect(setTomlKey('udp = true\r\n', 'hold', 3)).toBe('udp = true\r\nhold = 3\r\n');
    const tricky = 'name = "hold = 1 # \\" ["\nlog-file = \'hold = 2\' # hold = 3\n  hold = "4" \n';
    expect(setTomlKey(tricky, 'hold', '5s')).toBe(tricky.replace('"4"', '"5s"'));
    expect(setTomlKey('# hold = 1\n', 'hold', 2)).toBe('# hold = 1\nhold = 2\n');
  });

  it('is not changed where that would change something else', () => {
    expect(() => setTomlKey('[serve]\nport = 1\n', 'hold', 2)).toThrow('only a person');
    expect(() => setTomlKey('hold = \n', 'hold', 2)).toThrow();
  });
});

describe('the file', () => {
  it('keeps its mode, and a link to it stays one', async () => {
    using folder = temporaryDirectory('settings');
    const real = join(folder.path, 'dotfiles.toml');
    const link = join(folder.path, 'config.toml');
    writeFileSync(real, 'hold = 1\n');
    chmodSync(real, 0o640);
    symlinkSync(real, link);
    expect(
      await changeConfigFile(
        link,
        (text) => `${text}# more\n`,
        () => 'done',
      ),
    ).toBe('done');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(statSync(real).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder.path).sort()).toEqual(['config.toml', 'dotfiles.toml']);
  });

  it('loses nothing to changes at the same time', async () => {
    using folder = temporaryDirectory('settings');
    const file = join(folder.path, 'new', 'config.toml');
    const all = Array.from({ length: 20 }, (_, at) => `# ${at}\n`);
    const add = (line: string) =>
      changeConfigFile(
        file,
        (text) => text + line,
        () => {},
      );
    await Promise.all(all.map(add));
    let text = '';
    await changeConfigFile(
      file,
      (now) => (text = now),
      () => {},
    );
    expect(text.split('\n').sort()).toEqual(all.join('').split('\n').sort());
  });

  it('that is no text is left alone', async () => {
    using folder = temporaryDirectory('settings');
    const file = join(folder.path, 'config.toml');
    writeFileSync(file, Buffer.from([0xff, 0xfe, 0x41]));
    const changed = changeConfigFile(
      file,
      (text) => `${text}#`,
      () => {},
    );
    await expect(changed).rejects.toThrow(`cannot read ${file}: it is no UTF-8`);
    expect(statSync(file).size).toBe(3);
  });
});

describe('POST /dashboard/api/settings', { timeout: 60_000 }, () => {
  it('saves all or nothing, says what is wrong with what, and takes back', async () => {
    const text = `# mine\n${ALONE}local-fallback = false # alone\nhold = "7s" # patience\n`;
    await using started = await startConfigured(text);
    const { save, shown } = started;
    const bad = await save({
      hold: '5x',
      'log-level': 'loud',
      'require-key': 'maybe',
      hodl: 1,
      origins: ['x'],
    });
    expect(bad.status).toBe(400);
    expect(bad.json.errors).toEqual([
      { option: 'hold', value: '5x', allowed: 'give a time such as 2s, 500ms or 1m' },
      { option: 'log-level', value: 'loud', allowed: expect.stringContaining('debug, info, warn') },
      { option: 'require-key', value: 'maybe', allowed: 'give true or false' },
      { option: 'hodl', value: 1, allowed: 'there is no such option: did you mean hold?' },
      { option: 'origins', value: ['x'], allowed: expect.stringContaining('"x": give an origin') },
    ]);
    expect(bad.json.error).toMatch(/^bad hold "5x": give a time .*nothing has been changed$/);
    expect((await save({ 'log-level': 'warn', hold: -1 })).status).toBe(400);
    expect(started.text()).toBe(text);
    expect(await shown('log-level')).toMatchObject({ value: 'info', by: 'default', source: 'default' });

    const good = await save({ hold: 45_000, 'log-level': 'warn' });
    expect(good.json.settings.map(({ state }: { state: string }) => state)).toEqual(['live', 'live']);
    const next = `${text.replace('"7s"', '"45s"')}log-level = "warn"\n`;
    expect(started.text()).toBe(next);
    expect(await shown('hold')).toMatchObject({
      value: 45_000,
      unit: 'ms',
      by: 'file',
      source: `${started.file}:6`,
    });

    expect((await save({ hold: null })).status).toBe(200);
    expect(started.text()).toBe(next.replace('hold = "45s" # patience', '# patience'));
    expect(await shown('hold')).toMatchObject({ value: 30_000, by: 'default', settable: true });
  });

  it('says what waits for a restart, and who decides instead', async () => {
    await using started = await startConfigured(`${ALONE}local-fallback = false\n`, ['--hold', '3s']);
    const { save, shown, daemon } = started;
    const { json } = await save({ hold: 9000, policy: 'race' });
    expect(json.settings).toEqual([
      {
        option: 'hold',
        state: 'overridden',
        text: 'saved, but --hold decides: start ollana without --hold',
      },
      {
        option: 'policy',
        state: 'restart',
        text: `saved; it counts after a restart: Ctrl-C where it runs (or kill ${daemon.process.pid}), then ollana with the options it had`,
      },
    ]);
    expect(await shown('hold')).toMatchObject({ value: 3000, by: 'flag', source: '--hold' });
    expect(await shown('policy')).toMatchObject({ value: 'fastest', live: false });
    expect(started.text()).toContain('hold = "9s"\npolicy = "race"\n');
    // No file may be named from a page: the daemon may be another user's.
    const named = await save({ 'log-file': '/tmp/x' });
    expect([named.status, named.json.errors[0].allowed]).toEqual([
      400,
      expect.stringContaining('names a file'),
    ]);
    expect((await save({ parallel: 2 })).json.errors[0].allowed).toContain('no such option in client mode');
  });

  it('makes the file where there was none', async () => {
    using folder = temporaryDirectory('settings');
    const env = { XDG_CONFIG_HOME: folder.path };
    const args = ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback'];
    await using daemon = await startDaemon({ args, env, startMs: 20_000 });
    const saved = await call(daemon.url, '/dashboard/api/settings', { method: 'POST', body: { hold: 0 } });
    expect([saved.status, saved.json.changed]).toEqual([
      200,
      [{ option: 'hold', unit: 'ms', from: 30_000, to: 0 }],
    ]);
    const file = join(folder.path, 'ollana', 'config.toml');
    expect(readFileSync(file, 'utf8')).toBe('hold = "0s"\n');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('loses nothing where the file is broken, read-only or no file', async () => {
    await using started = await startConfigured(`${ALONE}local-fallback = false\n`);
    const { save, file, url } = started;
    writeFileSync(file, 'hold = \nprot = 1\n');
    const broken = await save({ 'log-level': 'warn' });
    expect([broken.status, broken.json.error]).toEqual([
      409,
      expect.stringContaining('`ollana config check`'),
    ]);
    expect(started.text()).toBe('hold = \nprot = 1\n');
    writeFileSync(file, 'prot = 1\n');
    const unknown = await save({ 'log-level': 'warn' });
    expect([unknown.status, unknown.json.error]).toEqual([
      409,
      expect.stringContaining('did you mean port?; nothing has been changed'),
    ]);
    writeFileSync(file, ALONE);
    chmodSync(file, 0o444);
    const shut = await save({ 'log-level': 'warn' });
    expect([shut.status, shut.json.error]).toEqual([
      409,
      expect.stringMatching(
        /^cannot write .*config\.toml: it is read-only; nothing has been changed; edit it/,
      ),
    ]);
    expect(started.text()).toBe(ALONE);
    expect(readdirSync(dirname(file))).toEqual(['config.toml']);
    rmSync(file);
    mkdirSync(file);
    const folder = await save({ 'log-level': 'warn' });
    expect([folder.status, folder.json.error]).toEqual([409, expect.stringContaining('not a regular file')]);
    expect((await call(url, '/api/version')).status).not.toBe(500);
  });

  it('is for pages of this address, in JSON, and does not exist for other machines', async () => {
    const text = `${ALONE}host = "0.0.0.0"\norigins = "*"\n`;
    await using started = await startConfigured(text, ['serve']);
    const { save, url } = started;
    expect((await save({ 'log-level': 'warn' }, { Origin: 'http://evil.example' })).status).toBe(403);
    expect((await save({ 'log-level': 'warn' }, { 'Content-Type': 'text/plain' })).status).toBe(415);
    for (const body of ['{}', '[]', '"x"', '{"hold":', '{"__proto__":{"x":1}}'])
      expect([body, (await save(body)).status]).toEqual([body, 400]);
    expect((await save(`{"hold":"${'9'.repeat(70_000)}"}`)).status).toBe(413);
    expect((await call(url, '/dashboard/api/settings', { method: 'PUT', body: {} })).headers.allow).toBe(
      'GET, POST',
    );
    if (OUTSIDE) {
      const outside = `http://${OUTSIDE}:${started.daemon.port}`;
      const asked = await call(outside, '/dashboard/api/settings', {
        method: 'POST',
        body: { origins: null },
      });
      expect(asked.status).toBe(404);
    }
    expect(started.text()).toBe(text);
  });
});

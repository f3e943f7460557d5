import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { CLI, cleanEnvironment, startDaemon, temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { noOutside, OUTSIDE } from './_paired.ts';
import { run, TestProcess } from './_process.ts';
import { ask, chat, linesOf, send } from './_simulate-client.ts';
import { skipBecause } from './_skip.ts';

const env = cleanEnvironment({ OLLANA_INTERFACE: 'lo' });
const ollana = (args: readonly string[], input?: string) =>
  run(process.execPath, [CLI, ...args], { env, ...(input !== undefined && { input }) });

/** Has a process that is killed at the end of the test. */
const start = (args: readonly string[]) => new TestProcess(process.execPath, [CLI, ...args], { env });

describe('ollana device', () => {
  it('show makes the identity and tells it, also as JSON', async () => {
    using folder = temporaryDirectory('device');
    const dir = ['--data-dir', folder.path, '--name', 'attic'];
    const { code, stdout, stderr } = await ollana(['device', 'show', ...dir]);
    expect([code, stderr]).toEqual([0, '']);
    const [, id = ''] =
      /^Name: {4}attic\nID: {6}([0-9a-f]{64})\nAloud: {3}(?:[a-z]+ ){7}[a-z]+\n/.exec(stdout) ?? [];
    expect(id).not.toBe('');
    // This id would open a Rust server to everybody who has heard it.
    expect(stdout.split('\n').slice(3)).toEqual([
      'In Rust: its clients allow this ID; its servers allow the id that `ollana status` tells for each',
      '',
    ]);
    const json = JSON.parse((await ollana(['device', 'show', '--json', ...dir])).stdout) as object;
    expect(json).toEqual({ name: 'attic', id, words: expect.any(String) });
  });

  it('allow, list and disable change the list, which no daemon need run for', async () => {
    using folder = temporaryDirectory('device');
    const device = (...args: string[]) => ollana(['device', ...args, '--data-dir', folder.path]);
    const id = 'ab'.repeat(32);
    expect((await device('list')).stdout).toBe('No device is paired: type `ollana device pair`.\n');
    const allowed = await device('allow', `${id}=attic`);
    expect([allowed.code, allowed.stdout]).toEqual([
      0,
      expect.stringMatching(
        /^attic \(abab.*\) is allowed: inference, read\nAloud: .*\nFrom now on .* paired devices only\.\n$/,
      ),
    ]);
    expect((await device('allow', id, '--manage')).stdout).toContain(
      'attic (abababababababab) is allowed already, now with inference, read, manage',
    );
    const listed = await device('list');
    expect(listed.stdout).toMatch(
      /^NAME +ID +SINCE +MAY\nattic +abababababababab \d{4}-\d\d-\d\d inference, read, manage\n$/,
    );
    expect(JSON.parse((await device('list', '--json')).stdout)).toMatchObject([
      { id, name: 'attic', words: expect.any(String) },
    ]);
    for (const which of ['nobody', 'abab']) {
      const unknown = await device('disable', which);
      expect([unknown.code, unknown.stderr]).toEqual([
        2,
        `ollana: no device is called "${which}"; \`ollana device list\` shows them\n`,
      ]);
    }
    expect((await device('disable', 'abababab')).stdout).toMatch(
      /^attic .* is shut out; [^\n]*\nNo device is paired any more/,
    );
  });

  it.each([
    [['device'], /say what to do: usage: ollana device/],
    [['device', 'alow', 'x'], /unknown action "alow", did you mean allow\?/],
    [['device', 'allow'], /ID is missing/],
    [['device', 'allow', 'xyz'], /"xyz" is no device id/],
    [['device', 'list', 'more'], /takes nothing after it/],
    [['device', 'pair', 'a', 'b'], /unexpected argument "b"/],
    [['device', 'show', '--port', '1'], /no option --port/],
  ])('%j is a bad usage, and says what is good', async (args, message) => {
    using folder = temporaryDirectory('device');
    const { code, stderr } = await ollana([...args, '--data-dir', folder.path]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  it('pair without a running ollana says what to start', async () => {
    using folder = temporaryDirectory('device');
    for (const args of [['pair'], ['pair', 'attic']]) {
      const { code, stderr } = await ollana(['device', ...args, '--data-dir', folder.path]);
      expect([code, stderr]).toEqual([4, expect.stringContaining('no running ollana')]);
    }
  });
});

describe('two machines with the commands alone', () => {
  skipBecause(noOutside);

  it('are paired by a code, used by name, and parted again', async () => {
    using folder = temporaryDirectory('two');
    const [serverDir, clientDir] = [join(folder.path, 'server'), join(folder.path, 'client')];
    await using ollama = await startSimulatedOllama({
      models: [{ name: 'm', tokensPerSecond: 20 }],
      answer: 'word '.repeat(600),
    });
    await using server = await startDaemon({
      args: [
        'serve',
        '--ollama',
        ollama.url,
        '--name',
        'attic',
        '--port',
        '0',
        '--no-udp',
        '--no-mdns',
        '--require-pairing',
        '--data-dir',
        serverDir,
      ],
    });
    const at = `http://${OUTSIDE}:${server.port}`;
    await using client = await startDaemon({
      args: [
        '--server',
        `${at}=attic`,
        '--port',
        '0',
        '--no-udp',
        '--no-mdns',
        '--no-local-fallback',
        '--name',
        'laptop',
        '--data-dir',
        clientDir,
      ],
    });
    const status = () => ollana(['status', '--data-dir', clientDir]);
    const shown = await until(10_000, 'the server to be shown', async () => {
      const { stdout } = await status();
      return stdout.includes('not paired') && stdout;
    });
    expect(shown).toMatch(/attic +\S+ +not paired/);
    expect(shown).toContain(`type \`ollana device pair ${at}\``);
    expect(shown).toContain('Not paired: everybody on the network is trusted');
    const around = [
      'discover',
      '--server',
      at,
      '--no-udp',
      '--no-mdns',
      '--seconds',
      '1',
      '--data-dir',
      clientDir,
    ];
    const before = await ollana(around);
    expect([before.code, before.stdout]).toEqual([
      1,
      expect.stringMatching(/not paired[\s\S]*ollana device pair/),
    ]);

    await using host = start(['device', 'pair', '--data-dir', serverDir]);
    const [, one, two] = await host.waitFor(/Code: (\d{3}) (\d{3})/);
    const guest = await ollana(
      ['device', 'pair', 'attic', '--name', 'laptop', '--data-dir', clientDir],
      `${one} ${two}\n`,
    );
    expect([guest.code, guest.stderr]).toEqual([0, '']);
    expect(guest.stdout).toMatch(
      /attic at .* shows a code\.\nCode: Paired with attic \([0-9a-f]{16}\), aloud: /,
    );
    expect((await host.exited).code).toBe(0);
    expect(host.stdout).toMatch(/Paired with laptop \([0-9a-f]{16}\), aloud: /);

    await until(5000, 'the server to be used', async () =>
      (await ask(client, '/api/tags')).text.includes('"m:latest"'),
    );
    expect((await status()).stdout).not.toMatch(/not paired/i);
    const after = await ollana(around);
    expect([after.code, after.stdout]).toEqual([0, expect.stringContaining('1 usable server')]);

    const sent = send(client, '/api/chat', chat('m', 'x'));
    await sent.started;
    const parted = await ollana(['device', 'disable', 'laptop', '--data-dir', serverDir]);
    const disabledAt = performance.now();
    expect(parted.code).toBe(0);
    const answer = await sent.answer;
    expect(performance.now() - disabledAt).toBeLessThan(1000);
    expect(answer.complete).toBe(false);
    expect(linesOf(answer.text).at(-1)).toMatchObject({ error: expect.stringContaining('attic') });
  }, 60_000);

  it('a wrong code pairs nobody, and says so on both', async () => {
    using folder = temporaryDirectory('two');
    const serverDir = join(folder.path, 'server');
    await using server = await startDaemon({
      args: [
        'serve',
        '--ollama',
        'http://127.0.0.1:9',
        '--name',
        'attic',
        '--port',
        '0',
        '--no-udp',
        '--no-mdns',
        '--data-dir',
        serverDir,
      ],
    });
    await using host = start(['device', 'pair', '--data-dir', serverDir]);
    const guest = (code: string) =>
      ollana(
        ['device', 'pair', `http://${OUTSIDE}:${server.port}`, '--data-dir', join(folder.path, 'client')],
        code,
      );
    await host.waitFor(/Code: /);
    expect(await guest('12345\n')).toMatchObject({ code: 2, stderr: expect.stringContaining('six digits') });
    for (let n = 1; n <= 3; n += 1) {
      const codes = await until(5000, `code ${n}`, () => {
        const found = [...host.stdout.matchAll(/Code: (\d{3}) (\d{3})/g)];
        return found.length === n && found;
      });
      const [, one, two] = codes.at(-1) ?? [];
      const wrong = String((Number(`${one}${two}`) + 1) % 1_000_000).padStart(6, '0');
      const refused = await guest(wrong);
      expect([refused.code, refused.stderr]).toEqual([
        1,
        expect.stringMatching(/^ollana: not paired: wrong code; attic shows/),
      ]);
    }
    expect((await host.exited).code).toBe(1);
    expect(host.stderr).toMatch(/3 codes were guessed at wrongly/);
    expect((await ollana(['device', 'list', '--data-dir', serverDir])).stdout).toContain(
      'No device is paired',
    );
  }, 60_000);
});

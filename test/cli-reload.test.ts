import { writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { cli, scratch, until } from './_cli.ts';
import { cleanEnvironment, startDaemon } from './_daemon.ts';
import { TestProcess } from './_process.ts';

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const LIMIT_MS = 90_000;
const ALONE = 'port = 0\nudp = false\nmdns = false\n';

/** A daemon whose settings are in a file. */
async function startWith(text: string, args: readonly string[] = []) {
  const file = join(scratch(), 'config.toml');
  writeFileSync(file, text);
  const daemon = await startDaemon({
    args: [...args, '--config', file],
    startMs: 20_000,
    launch: (command, [_built, ...rest], env) =>
      new TestProcess(command, ['--import', 'tsx', CLI, ...rest], {
        env: cleanEnvironment({ OLLANA_INTERFACE: 'lo', ...env }),
      }),
  });
  return { daemon, file, reload: () => cli(['reload', '--data-dir', daemon.dataDir]) };
}

/** An address of this machine that is not loopback: who comes from it is a peer. */
const OUTSIDE = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

describe('ollana reload', { timeout: LIMIT_MS }, () => {
  it('takes over what can change live, and names what cannot and what is set in vain', async () => {
    await using ollama = await startSimulatedOllama({ models: [{ name: 'one' }] });
    const { daemon, file, reload } = await startWith(`${ALONE}local-fallback = false\nhold = 0\n`, [
      '--policy',
      'first',
    ]);
    await using _ = daemon;
    const asked = () => fetch(`${daemon.url}/api/tags`, { headers: { Origin: 'http://my.app' } });
    expect((await asked()).status).toBe(403);
    writeFileSync(
      file,
      `${ALONE}connect-timeout = 5\nlocal-fallback = false\nhold = 5\npolicy = "race"\norigins = "http://my.app"\nserver = "${ollama.url}=attic"\n`,
    );
    expect(await reload()).toEqual({
      code: 0,
      stderr: '',
      stdout: [
        `ollana has read ${file} again: changed`,
        '  origins: - -> http://my.app',
        `  server: - -> ${ollama.url}=attic`,
        '  hold: 0 s -> 5 s',
        'restart needed for: connect-timeout',
        'not by the file: policy (--policy)',
        '',
      ].join('\n'),
    });
    expect((await asked()).status).toBe(200);
    await until('attic is used', async () => JSON.stringify(await (await asked()).json()).includes('"one'));
    writeFileSync(file, `${ALONE}local-fallback = false\nrequire-key = true\n`);
    expect((await reload()).stdout).toContain('require-key: no -> yes');
    expect((await fetch(`${daemon.url}/api/tags`)).status).toBe(401);
    const { stdout } = await cli(['status', '--json', '--data-dir', daemon.dataDir]);
    expect(JSON.parse(stdout)[0].servers).toEqual([]);
  });

  it('keeps what runs when the file is broken, and says so; SIGHUP does the same', async () => {
    const { daemon, file, reload } = await startWith(`${ALONE}local-fallback = false\nlog-level = "info"\n`);
    await using _ = daemon;
    writeFileSync(file, 'hold = \nprot = 1\n');
    const { code, stdout, stderr } = await reload();
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`ollana: ${file}:1: no TOML`);
    expect(stderr).toContain('and 1 more');
    expect(stderr).toContain('the running configuration stays');
    process.kill(daemon.process.pid, 'SIGHUP');
    await daemon.process.waitFor(/is not taken[\s\S]*is not taken/);
    expect((await fetch(daemon.url)).status).toBe(200);
    writeFileSync(file, `${ALONE}local-fallback = false\nlog-level = "debug"\n`);
    process.kill(daemon.process.pid, 'SIGHUP');
    await daemon.process.waitFor(/"changed":\["log-level"\]/);
    expect(await daemon.stop('SIGTERM')).toBe(0);
  });

  it.skipIf(!OUTSIDE)('opens and closes a server to changes of what it stores', async () => {
    await using ollama = await startSimulatedOllama({ models: [{ name: 'one' }] });
    const text = `${ALONE}host = "0.0.0.0"\nollama = "${ollama.url}"\n`;
    const { daemon, file, reload } = await startWith(text, ['serve']);
    await using _ = daemon;
    const copies = async () => {
      const body = '{"source":"one","destination":"two"}';
      const url = `http://${OUTSIDE}:${daemon.port}/api/copy`;
      return (await fetch(url, { method: 'POST', body })).status;
    };
    await until('Ollama is seen', async () => (await fetch(`${daemon.url}/api/tags`)).ok);
    expect(await copies()).toBe(403);
    writeFileSync(file, `${text}allow = "manage"\n`);
    expect((await reload()).stdout).toBe(
      `ollana serve has read ${file} again: changed\n  allow: - -> manage\n`,
    );
    expect(await copies()).toBe(200);
    writeFileSync(file, text);
    expect((await reload()).stdout).toContain('allow: manage -> -');
    expect(await copies()).toBe(403);
  });

  it('is for programs of this machine and no foreign page, and takes POST', async () => {
    const { daemon } = await startWith(`${ALONE}local-fallback = false\norigins = "*"\n`);
    await using _ = daemon;
    const tell = (init: RequestInit) =>
      fetch(`${daemon.url}/reload`, { method: 'POST', body: '{}', ...init });
    const json = { 'Content-Type': 'application/json' };
    expect((await tell({ headers: json })).status).toBe(200);
    expect((await tell({ headers: { ...json, Origin: 'http://evil.example' } })).status).toBe(403);
    expect((await tell({ headers: { 'Content-Type': 'text/plain' } })).status).toBe(415);
    expect((await tell({ method: 'GET', body: null })).status).toBe(405);
  });

  it('ends with 4 without a daemon', async () => {
    expect((await cli(['reload', '--data-dir', scratch()])).code).toBe(4);
  });
});
